"""Digests of plugins' sources that give the same results; see `softal_bench.registry.source`.

The first digest of each group is that of the published records or of an earlier version. The golden trials and the
tests of the plugins show that the code with the other digests gives the same results.
"""

EQUIVALENT_SOURCES = {
    "bald": [("8946b9d957c8a915", "8254dfe937e78f64")],
    "coreset": [("df13a74e3ff158a0", "90a74a1f573d6a34")],
    "entropy": [("997effff1b6dc461", "9ce8fcbc7cc2ea4b")],
    "epig": [("ea960929d4d1e98e", "893781730c8770cc")],
    "epig_bald": [("3ccb9b205721ca04", "c44b335be65cb7c2")],
    "margin": [("e554847bb3cbdb1b", "dc0528c0ded9edf5")],
    "mean_std": [("3b25dc35e86d3ec7", "a8404efde12f09e0")],
    "power": [("3a478c2c3e8991f0", "2368936d786f1e79")],
    "random_top": [("ef37d42581559042", "c48be55863b964ee")],
    "softmax": [("ffc94d71d3cd5df1", "df4b287da97d5c72")],
    "softrank": [("bc687ee13b728eb0", "594a5edd1c2c3332")],
    "variation_ratios": [("2c8f54ac5d2071fe", "46ae6b4f98916498")],
    "digits_cnn": [("03a49bd489486de3", "399595ec48d84e0d", "6db057a46c87bef2")],
    "lenet5": [("dbdc4368771f9b54", "bf30090f55b02547", "30193983ba95107e")],
    "ensemble": [("4ced20c68f8cf7ee", "56436c5b4df2b960")],
    "mlp": [("36142aa98ff01a36", "1ad629aeef54584f", "efa2c893d3813892")],
    "arrays": [("0041d3ecaee59191", "5c28572790b2d6bd", "454d62010d56e3c5")],
    "label_noise": [("6f86fbb5c3fe5c0d", "e5534084aed3e3bc")],
    "repeated": [("735cca193585959b", "24f29ad25ee25c9c", "5a76d8b682e0bd30", "30e6abcf41f19ac6")],
    "resnet18": [("8fdea09239c392da", "0474756247e2548b", "9d45453629747689")],
}
