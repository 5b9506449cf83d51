"""Vector quantisation in parts, and codes that are moved to where vectors are."""

import pytest
import torch

from said.baselines.quantiser import CodeRenewal, ProductQuantiser, VectorQuantiser


def quantiser(components=3, codes=5, width=4):
    torch.manual_seed(0)
    made = ProductQuantiser(components, codes, width)
    for book in made.codebooks:
        torch.nn.init.normal_(book.embedding.weight)
    return made


def test_each_part_is_replaced_by_the_nearest_of_its_own_codebook():
    made, vectors = quantiser(), torch.randn(2, 7, 12)
    codes = made.nearest(vectors)
    for component, book in enumerate(made.codebooks):
        part = vectors[..., 4 * component : 4 * component + 4]
        distance = torch.cdist(part, book.embedding.weight)
        assert torch.equal(codes[..., component], distance.argmin(-1))
    quantised, same, loss = made(vectors)
    assert torch.equal(same, codes)
    torch.testing.assert_close(quantised, made.lookup(codes))
    torch.testing.assert_close(loss, 1.25 * (quantised - vectors).square().mean())
    torch.testing.assert_close(made.perplexity(torch.arange(5)[:, None].expand(5, 3)), torch.full((3,), 5.0))


def test_one_codebook_takes_the_nearest_and_its_loss_has_both_gradients():
    quantiser = VectorQuantiser(3, 2, commitment=0.5)
    quantiser.embedding.weight.data = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    vectors = torch.tensor([[[0.9, 0.3]], [[0.1, -0.2]]], requires_grad=True)
    chosen, codes, loss = quantiser(vectors)
    assert codes.tolist() == [[1], [0]]  # of equals the first
    torch.testing.assert_close(chosen.detach(), torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]))
    assert loss.item() == pytest.approx(1.5 * (0.01 + 0.09 + 0.01 + 0.04) / 4)
    (through,) = torch.autograd.grad(chosen.sum(), vectors, retain_graph=True)
    assert torch.equal(through, torch.ones_like(vectors))
    loss.backward()
    torch.testing.assert_close(vectors.grad, 0.5 * 2 * (vectors - chosen).detach() / 4)
    torch.testing.assert_close(quantiser.embedding.weight.grad[:2], 2 * (chosen - vectors).detach().flip(0)[:, 0] / 4)
    assert quantiser.perplexity(torch.tensor([0, 1, 1, 0])).item() == pytest.approx(2)
    assert quantiser.perplexity(torch.tensor([2, 2])).item() == pytest.approx(1)


def test_gradients_pass_straight_through():
    made, vectors = quantiser(), torch.randn(2, 12, requires_grad=True)
    made(vectors)[0].backward(weight := torch.randn(2, 12))
    assert torch.equal(vectors.grad, weight)


def test_idle_codes_are_moved_to_vectors_and_no_others():
    made = quantiser(components=1, codes=4, width=2)
    with torch.no_grad():
        made.codebooks[0].embedding.weight.copy_(torch.tensor([[0.0, 0], [1, 0], [50, 0], [60, 0]]))
    near = torch.tensor([[0.1, 0], [0.9, 0], [1.1, 0], [-0.1, 0]])
    renewal = CodeRenewal(made, least=0.5, decay=0.9)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 10):
        renewal(near, generator)
        weight = made.codebooks[0].embedding.weight
        assert torch.equal(weight[:2], torch.tensor([[0.0, 0], [1, 0]]))
        moved = step > 6  # 0.9^7 is the first power below one half
        assert bool((weight[2:, 0] < 2).all()) == moved
    assert all(any(torch.equal(code, vector) for vector in near) for code in weight[2:].detach())


def test_a_codebook_begins_at_the_data():
    made, vectors = quantiser(components=2), torch.randn(30, 8)
    renewal = CodeRenewal(made)
    renewal.begin(vectors, torch.Generator().manual_seed(1))
    for component, book in enumerate(made.codebooks):
        part = vectors[:, 4 * component : 4 * component + 4]
        assert bool((book.embedding.weight[:, None] == part).all(-1).any(-1).all())
    assert torch.equal(renewal.use, torch.ones(2, 5))
