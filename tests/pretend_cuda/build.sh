#!/usr/bin/env bash
# build.sh FOLDER: builds the pretend CUDA device against the CUDA build of torch that $PYTHON has; about 20 s on one core.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=$(realpath --no-symlinks "$PYTHON")
mkdir -p "$1"
cd "$1"
site=$("$PYTHON" -c "import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])")
cuda=(-I"$site/nvidia/cu13/include" -I"$site/triton/backends/nvidia/include")
g++ -O1 -std=c++17 -shared -fPIC "${cuda[@]}" -o libpretend_cudart.so "$here/stub_cudart.cpp"
g++ -shared -fPIC -Wl,-soname,libcuda.so.1 -o libcuda.so.1 "$here/stub_cuda.cpp"
# Operators whose CUDA kernels take 0-dimensional CPU tensors; structured functions inherit this from their out= variant.
"$PYTHON" - > nocheck.txt <<'PYTHON_CODE'
from pathlib import Path

import torchgen
import yaml

path = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"
functions = {entry["func"].split("(")[0]: entry for entry in yaml.safe_load(path.read_text())}
lenient = {name for name, entry in functions.items() if entry.get("device_check") == "NoCheck"}
delegates = {name: entry.get("structured_delegate") for name, entry in functions.items()}
print("\n".join(sorted(lenient | {name for name, delegate in delegates.items() if delegate in lenient})))
PYTHON_CODE
g++ -O1 -std=c++20 -shared -fPIC -D_GLIBCXX_USE_CXX11_ABI=1 -I"$site/torch/include" -I"$site/torch/include/torch/csrc/api/include" \
    "${cuda[@]}" -o libpretend_ops.so "$here/pretend_ops.cpp" -L. -lpretend_cudart -L"$site/torch/lib" -ltorch_cpu -lc10 \
    -Wl,-rpath,"$site/torch/lib"
