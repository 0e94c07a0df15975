"""The usual LeNets compute what this suite's does, so that both sides of a comparison do the same work."""

import torch
from softal_bench_peers.compare.networks import ReplicatedNetwork, copy_weights, plain_network
from softal_bench_peers.compare.training_step import forced_masks
from softal_plugins.models.lenet5 import LeNet5

from softal_bench.bayes.mc_dropout import draw_masks, log_probs_plain


def test_replicated_inputs_with_equal_masks_match_plain_evaluation() -> None:
    network = LeNet5().network(10)
    masks = draw_masks(network, 7, torch.Generator().manual_seed(0))
    inputs = torch.randn(5, 1, 28, 28)
    expected = log_probs_plain(network, masks, inputs)
    replicated = ReplicatedNetwork(network, masks)
    for chunk_size in (1, 2, 5):
        torch.testing.assert_close(replicated.log_probs(inputs, chunk_size), expected, rtol=1e-4, atol=1e-5)


def test_the_plain_network_matches_the_lenet_without_dropout() -> None:
    network, plain = LeNet5().network(10).eval(), plain_network().eval()
    copy_weights(network, plain)
    inputs = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(plain(inputs), network(inputs), rtol=1e-4, atol=1e-5)


def test_forced_masks_replace_drawn_masks_in_both_networks() -> None:
    network, plain = LeNet5().network(10).train(), plain_network().train()
    copy_weights(network, plain)
    inputs = torch.randn(3, 1, 28, 28)
    masks = [2.0 * (torch.rand(3, features) < 0.5) for features in (32, 64, 128)]
    outputs = []
    for one in (network, plain):
        with forced_masks(masks):
            outputs.append(one(inputs))
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
