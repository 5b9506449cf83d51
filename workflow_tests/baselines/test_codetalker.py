"""CodeTalker: the authors' values of both stages, a plain implementation in other sizes, and what is refused."""

import ast
import json

import numpy as np
import pytest
import torch
from plain_baselines import PlainAutoencoder, PlainCodeTalker, encoder_config, published_state
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.baselines.codetalker import CodeTalker, Predictor, predictor_loss
from said.baselines.motion_autoencoder import MotionAutoencoder, autoencoder_loss
from said.baselines.positions import causal_bias, own_frame_mask, periodic_encoding
from said.baselines.quantiser import VectorQuantiser
from said.speech import encode, normalise


@pytest.fixture(scope="module")
def golden(official):
    return dict(np.load(official / "golden/codetalker_golden.npz").items())


@pytest.fixture
def authors(official, golden):
    config = json.loads(str(golden["config_json"]))
    stages = (load_file(official / f"golden/codetalker_stage{stage}_weights.safetensors") for stage in (1, 2))
    return CodeTalker.from_state_dicts(*stages, Wav2Vec2Config(**config["wav2vec2"]), vq_heads=4)


@pytest.fixture(scope="module")
def template(golden):
    return torch.from_numpy(golden["template"]).view(-1, 3)


@pytest.fixture(scope="module")
def sequences(golden, template):
    """Both of the authors', as offsets (2, N, 3V)."""
    return torch.stack([torch.from_numpy(golden[f"vq_x{one}"]) for one in (1, 2)]) - template.flatten()


def near(reached, expected, largest=1e-4):
    torch.testing.assert_close(
        torch.as_tensor(reached), torch.as_tensor(expected), atol=largest, rtol=0, check_dtype=False
    )


@torch.no_grad()
def test_every_step_of_the_autoencoder_is_the_authors(authors, golden, template, sequences):
    vq = authors.autoencoder
    encoded = vq.encoder(sequences)
    quantised, codes, _ = vq.quantise(encoded)
    decoded = vq.decoder(quantised)
    for item, name in enumerate("12"):
        near(encoded[item], golden[f"vq_enc{name}"])
        assert codes[item].flatten().tolist() == golden[f"vq_indices{name}"].tolist()
        alone = authors.encode(sequences[item].unflatten(-1, (-1, 3)))
        assert alone.shape == (37, 4) and alone.dtype == torch.int64 and torch.equal(alone, codes[item])
        near(quantised[item].view(-1, 16).T, golden[f"vq_quant{name}"])
        near(decoded[item], golden[f"vq_decoded_offsets{name}"])
        near(decoded[item] + template.flatten(), golden[f"vq_recon{name}"])
        near(authors.decode(codes[item : item + 1])[0].flatten(1), golden[f"vq_from_indices{name}"])
        near(vq.quantize.perplexity(codes[item]), golden[f"vq_perplexity{name}"])
        losses = autoencoder_loss(vq, sequences[item : item + 1])
        for loss, kind in zip(losses, ("total", "rec_l1", "embed"), strict=True):
            near(loss, golden[f"vq_loss_{kind}{name}"], 1e-5)


@torch.no_grad()
def test_two_frames_and_the_position_are_the_authors(authors, golden):
    vq = authors.autoencoder
    quantised = vq.quantise(torch.from_numpy(golden["vq_two_frames_z"]).view(1, 2, 64))[0]
    near(vq.decoder(quantised)[0], golden["vq_two_frames_offsets"])
    for side in (vq.encoder.encoder_pos_embedding, vq.decoder.decoder_pos_embedding):
        assert side.pe.shape == tuple(golden["vq_pe_shape"])
        near(side(torch.zeros(2, 3, 64)), golden["vq_pos_added"][None, None].repeat(2, 0).repeat(3, 1), 1e-7)
    own = MotionAutoencoder(12, width=64, heads=4, layers=1, code_width=16).encoder.encoder_pos_embedding
    near(own.pe[:50], side.pe[:50], 1e-5)


def test_gradients_of_the_autoencoder_are_the_authors(authors, golden, sequences):
    vq = authors.autoencoder.requires_grad_(True)
    autoencoder_loss(vq, sequences[:1])[0].backward()
    parameters = dict(vq.named_parameters())
    compared = [key.removeprefix("vq_grad/") for key in golden if key.startswith("vq_grad/")]
    assert len(compared) == 8
    for key in compared:
        near(parameters[key].grad, golden[f"vq_grad/{key}"])


def test_steps_of_the_autoencoders_optimiser_are_the_authors(authors, golden, sequences):
    vq = authors.autoencoder.requires_grad_(True)
    optimiser = torch.optim.AdamW(vq.parameters(), lr=1e-4)
    near(steps(optimiser, lambda: autoencoder_loss(vq, sequences[:1])[0]), golden["vq_adamw_losses"], 2e-5)


def steps(optimiser, loss) -> list[float]:
    losses = []
    for _ in range(4):
        value = loss()
        losses.append(value.item())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return losses


@torch.no_grad()
@pytest.mark.parametrize("name", ["a", "b"])
def test_every_step_from_speech_to_motion_is_the_authors(authors, golden, template, name):
    audio, predictor = torch.from_numpy(golden[f"audio_{name}"]), authors.predictor
    memory = predictor.listen(audio[None])
    near(encode(predictor.audio_encoder, audio[None], memory.shape[1])[0], golden[f"hidden_{name}"])
    near(memory[0], golden[f"memory_{name}"])
    style = predictor.learnable_style_emb.weight[int(golden[f"style_{name}"])]
    features, codes, fed_back = zip(*authors.generate(memory, style[None]), strict=True)
    near(torch.cat(features) / 10, golden[f"feat_{name}"] / 10)  # features reach 130
    assert torch.cat(codes).flatten().tolist() == golden[f"codes_{name}"].tolist()
    # Of the first frame the authors' have their rounding, times 316: it comes twice, and has no variance over time.
    near(torch.cat(fed_back[:1]), golden[f"fed_back_{name}"][:1], 3e-4)
    near(torch.cat(fed_back[1:-1]), golden[f"fed_back_{name}"][1:])
    assert fed_back[-1] is None
    for heard in (audio, normalise(torch.from_numpy(golden[f"raw_{name}"]))):
        motion = authors.animate(heard, template, [golden[f"style_{name}"]])
        near(motion[0].flatten(1), golden[f"predict_{name}"])


@torch.no_grad()
def test_styles_together_and_mixed_are_the_authors(authors, golden, template):
    motion = authors.animate(golden["audio_a"], template, np.arange(8))
    assert motion.shape == (8, 38, 12, 3)
    near(motion.flatten(2), golden["predict_a_all_styles"])
    predictor = authors.predictor
    memory = predictor.listen(torch.from_numpy(golden["audio_a"])[None])
    codes = torch.stack([codes for _, codes, _ in authors.generate(memory, predictor.learnable_style_emb.weight)], 1)
    assert torch.equal(codes.flatten(1), torch.from_numpy(golden["codes_a_all_styles"]))
    weights = torch.zeros(1, 8)
    weights[0, 0], weights[0, 3] = 0.3, 0.7
    near(authors.animate(golden["audio_a"], template, weights)[0].flatten(1), golden["predict_a_style_mix"])


def test_masks_and_positions_are_the_authors(authors, golden):
    assert np.array_equal(causal_bias(4, 70, 30), golden["mask_first70"])
    assert np.array_equal(~own_frame_mask(5, 7).numpy(), golden["encdec_5x7"])
    assert authors.predictor.PPE.pe.shape == tuple(golden["ppe_shape"])
    near(periodic_encoding(62, 64, 30), golden["ppe"], 2e-6)


@pytest.fixture(scope="module")
def clip(golden, template, sequences):
    """What the authors trained the second stage on, as its loss takes it."""
    audio, target = torch.from_numpy(golden["audio_a"]), torch.from_numpy(golden["vq_x1"]).unflatten(1, (-1, 3))
    return audio[None], target[None], template[None], golden["style_a"][None]


def test_losses_and_gradients_of_the_predictor_are_the_authors(authors, golden, clip):
    losses = predictor_loss(authors, *clip)
    for loss, kind in zip(losses, ("total", "motion", "reg"), strict=True):
        near(loss.detach(), golden[f"loss_{kind}"], 1e-5)
    losses[0].backward()
    parameters = dict(authors.predictor.named_parameters())
    compared = [key.removeprefix("grad/") for key in golden if key.startswith("grad/")]
    assert len(compared) == 8
    for key in compared:
        near(parameters[key].grad, golden[f"grad/{key}"])
    assert all(parameter.grad is None for parameter in authors.autoencoder.parameters())


def test_steps_of_the_predictors_optimiser_are_the_authors(authors, golden, clip):
    trained = [parameter for parameter in authors.parameters() if parameter.requires_grad]
    near(steps(torch.optim.Adam(trained, lr=1e-4), lambda: predictor_loss(authors, *clip)[0]), golden["adam_losses"])


def published(path) -> dict[str, tuple[int, ...]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: ast.literal_eval(shape) for name, shape in (line.split(" ", 1) for line in lines if line)}


def shapes(module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in published_state(module).items()}


def test_the_keys_and_the_sizes_are_the_published(official):
    with torch.device("meta"):
        autoencoder, predictor = MotionAutoencoder(), Predictor(Wav2Vec2Model(Wav2Vec2Config()))
    assert shapes(autoencoder) == published(official / "codetalker_stage1_keys.txt")
    assert shapes(predictor) == published(official / "codetalker_stage2_keys.txt")
    assert sum(parameter.numel() for parameter in autoencoder.parameters()) == 131_653_341
    assert sum(parameter.numel() for parameter in predictor.parameters()) == 187_249_536


FIRST = [
    dict(vertices=7, width=32, heads=4, feed_forward=48, layers=1, codes=9, code_width=8),
    dict(vertices=4, width=48, heads=8, feed_forward=20, layers=3, codes=20, code_width=12),
]
SECOND = [
    dict(styles=3, width=16, heads=4, feed_forward=32, layers=2, period=30),
    dict(styles=5, width=24, heads=2, feed_forward=40, layers=1, period=11),
]


def drawn(seed: int, size: int = 0) -> tuple[dict, dict, CodeTalker]:
    """A random model, as published, and what reads it."""
    first, second, config = FIRST[size], SECOND[size], encoder_config()
    stages = (
        published_state(MotionAutoencoder(**first), seed),
        published_state(Predictor(Wav2Vec2Model(config), first["vertices"], out=first["width"], **second), seed),
    )
    return *stages, read(*stages, size)


def read(autoencoder, predictor, size: int = 0) -> CodeTalker:
    sizes = dict(heads=SECOND[size]["heads"], vq_heads=FIRST[size]["heads"], period=SECOND[size]["period"])
    return CodeTalker.from_state_dicts(autoencoder, predictor, encoder_config(), **sizes)


def sound(seed: int, samples: int) -> torch.Tensor:
    return normalise(torch.randn(samples, generator=torch.Generator().manual_seed(seed)))


def plain(autoencoder, predictor, size: int = 0) -> PlainCodeTalker:
    vq = PlainAutoencoder(autoencoder, FIRST[size]["heads"], torch.float64)
    more = dict(heads=SECOND[size]["heads"], period=SECOND[size]["period"], dtype=torch.float64, frames=150)
    return PlainCodeTalker(vq, predictor, encoder_config(), **more)


@torch.no_grad()
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("samples", [1360, 2000, 16321, 65900])  # 2 frames, 3, 30, and 122 of 205 features
def test_other_sizes_and_lengths_agree_with_the_plain_loop(size, samples):
    """In double precision, where no code is near enough to another for rounding to choose."""
    *stages, model = drawn(samples, size)
    model.double()
    audio, template = sound(samples, samples), torch.randn(FIRST[size]["vertices"], 3, dtype=torch.float64)
    predictor, styles = model.predictor, torch.tensor([2, 0])
    memory = predictor.listen(predictor.read_audio(audio))
    _, codes, fed_back = zip(*model.generate(memory, predictor.learnable_style_emb.weight[styles]), strict=True)
    motion = model.animate(audio, template, styles)
    for item, style in enumerate(styles.tolist()):
        expected, chosen, back, margin = plain(*stages, size).generate(audio, style)
        assert margin > 1e-6
        assert torch.equal(torch.stack(codes, 1)[item], chosen)
        near(torch.stack(fed_back[:-1], 1)[item], back, 1e-6)
        near(motion[item].flatten(1), expected + template.flatten(), 1e-6)
    assert len(motion[0]) < 30 or (motion[0] - motion[1]).abs().max() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("frames", [2, 3, 50])
def test_other_sequences_are_encoded_as_in_the_plain_way(size, frames):
    *stages, model = drawn(frames, size)
    offsets = torch.randn(frames, FIRST[size]["vertices"], 3)
    vq = PlainAutoencoder(stages[0], FIRST[size]["heads"], torch.float64)
    expected, codes, loss, _ = vq.quantise(vq.encode(offsets.flatten(1).double()))
    model.double()
    assert torch.equal(model.encode(offsets), codes)
    near(model.decode(codes[None])[0].flatten(1), vq.decode(expected), 1e-8)
    near(model.autoencoder(offsets.flatten(1)[None].double())[2], loss, 1e-8)


def test_other_gradients_agree_with_the_plain_way():
    *stages, model = drawn(3)
    model.double()
    reference, audio = plain(*stages), sound(1, 12000)
    targets, templates = (torch.randn(1, *shape, 3, dtype=torch.float64) for shape in ((20, 7), (7,)))
    offsets = (targets - templates[:, None])[0].flatten(1)
    kept = ["feat_map.weight", "vertice_map.weight", "vertice_map.bias", "learnable_style_emb.weight"]
    for name in kept:
        reference.state[name].requires_grad_()
    inner, own = dict(reference.decoder.named_parameters()), dict(model.predictor.named_parameters())
    losses = reference.losses(audio, offsets, 1)
    wanted = [reference.state[name] for name in kept] + list(inner.values())
    expected = torch.autograd.grad(sum(losses), wanted)
    reached = predictor_loss(model, audio[None].double(), targets, templates, torch.tensor([1]))
    near(torch.stack(reached[1:]).detach(), torch.stack(losses).detach(), 1e-8)
    found = [own[name] for name in kept] + [own[f"transformer_decoder.{name}"] for name in inner]
    for one, other in zip(torch.autograd.grad(reached[0], found), expected, strict=True):
        near(one, other, 1e-6)
    weighted = predictor_loss(model, audio[None].double(), targets, templates, [1], motion=2.0, latent=0.5)[0]
    near(weighted.detach(), (2 * losses[0] + 0.5 * losses[1]).detach(), 1e-8)


@torch.no_grad()
def test_batches_are_their_items_one_by_one():
    *_, model = drawn(6)
    model.double()
    audio = torch.stack([sound(1, 9000), sound(2, 9000)]).double()
    targets, templates = (torch.randn(2, *shape, 3, dtype=torch.float64) for shape in ((15, 7), (7,)))
    given = audio, targets, templates, torch.tensor([2, 0])
    alone = [predictor_loss(model, *(one[item : item + 1] for one in given)) for item in range(2)]
    near(torch.stack(predictor_loss(model, *given)), torch.tensor(alone).mean(0), 1e-8)


def test_training_leaves_the_autoencoder_as_it_is():
    *_, model = drawn(8)
    assert not model.training
    model.train()
    assert model.predictor.training and not model.autoencoder.training
    assert not any(parameter.requires_grad for parameter in model.autoencoder.parameters())
    offsets = torch.randn(1, 10, 21)
    calm = [autoencoder_loss(model.autoencoder, offsets)[0].item() for _ in range(2)]
    alone = model.autoencoder.train()
    assert calm[0] == calm[1] != autoencoder_loss(alone, offsets)[0].item()


def test_a_fresh_codebook_and_predictor_are_the_authors():
    quantiser = VectorQuantiser(256, 64)
    assert quantiser.embedding.weight.abs().max() <= 1 / 256
    assert quantiser.embedding.weight.std().item() == pytest.approx(1 / 256 / 3**0.5, rel=0.02)
    predictor = Predictor(Wav2Vec2Model(encoder_config()), 7, 3, out=32, width=16, feed_forward=32, layers=2)
    assert not predictor.feat_map.weight.any() and predictor.feat_map.bias is None


@pytest.mark.parametrize("stage, what, dropped", [
    (0, "autoencoder", "encoder.encoder_pos_embedding.pe"),
    (0, "autoencoder", "decoder.vertice_map_reverse.bias"),
    (0, "autoencoder", "encoder.squasher.0.0.weight"),
    (0, "autoencoder", "decoder.decoder_transformer.net.0.fn.fn.to_qkv.weight"),
    (0, "autoencoder", "encoder.encoder_transformer.net.1.fn.norm.bias"),
    (1, "predictor", "feat_map.weight"),
    (1, "predictor", "PPE.pe"),
    (1, "predictor", "transformer_decoder.layers.1.norm3.weight"),
    (1, "predictor", "audio_encoder.feature_projection.projection.bias"),
])  # fmt: skip
def test_a_missing_an_extra_and_a_misshapen_key_are_named(stage, what, dropped):
    *stages, _ = drawn(0)
    state = stages[stage]
    changed = [
        ("missing: {} ", {name: value for name, value in state.items() if name != dropped}),
        ("unexpected: {}_again ", {**state, f"{dropped}_again": state[dropped]}),
        ("wrong shape: {} is", {**state, dropped: state[dropped][..., :-1]}),
    ]
    for message, wrong in changed:
        stages[stage] = wrong
        with pytest.raises(ValueError, match=f"not the weights of CodeTalker's {what}:\n  {message.format(dropped)}"):
            read(*stages)


def test_only_what_is_wrong_is_named():
    first, second, _ = drawn(0, 1)
    told_once = ("quantize.embedding.weight", "pe")
    for name, value in first.items():
        if not name.endswith(told_once) and value[:-1].shape != value.shape:
            with pytest.raises(ValueError) as caught:
                read({**first, name: value[:-1]}, second, 1)
            assert str(caught.value).count("\n") == 1 and f"wrong shape: {name} is" in str(caught.value)
    with pytest.raises(ValueError, match="unexpected: autoencoder.quantize.embedding.weight"):
        read(first, {**second, "autoencoder.quantize.embedding.weight": first["quantize.embedding.weight"]}, 1)
    for name in ("vertice_map.weight", "feat_map.weight"):
        with pytest.raises(ValueError, match=f"predictor:\n  wrong shape: {name} is [^\n]*$"):
            read(first, {**second, name: second[name][:, :-1]}, 1)
    with pytest.raises(ValueError, match="missing: quantize.embedding.weight"):
        read({}, second)


def test_stages_that_do_not_belong_together_are_refused():
    first, second, _ = drawn(0)
    other, _, _ = drawn(0, 1)
    with pytest.raises(
        ValueError, match="predictor:\n  wrong shape: vertice_map.weight .*\n  wrong shape: feat_map.weight"
    ):
        CodeTalker.from_state_dicts(other, second, encoder_config())
    predictor = Predictor(Wav2Vec2Model(encoder_config()), 7, 3, out=32, width=16, feed_forward=32, layers=1)
    with pytest.raises(ValueError, match="4 vertices and features 48 wide, the predictor 7 and 32"):
        CodeTalker(MotionAutoencoder(**FIRST[1]), predictor)
    with pytest.raises(ValueError, match="width of 32 must be even, and be divisible by its 5 heads"):
        CodeTalker.from_state_dicts(first, second, encoder_config(), vq_heads=5)
    with pytest.raises(ValueError, match="whole number of codes of the width that quantize.embedding.weight has, 7"):
        read({**first, "quantize.embedding.weight": first["quantize.embedding.weight"][:, :-1]}, second)
    with pytest.raises(ValueError, match="width of 16 cannot be divided into 3 heads"):
        CodeTalker.from_state_dicts(first, second, encoder_config(), vq_heads=4, heads=3)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(audio=torch.zeros(399)), "at least 400 samples"),
        (dict(audio=torch.zeros(719)), "too short"),
        (dict(audio=torch.zeros(720)), "1 of the 2 frames"),
        (dict(template=torch.zeros(8, 3)), r"template \(7, 3\)"),
        (dict(styles=[3]), r"styles lie in \[0, 3\), got \[3\]"),
    ],
)
def test_what_it_cannot_animate_is_refused(change, message):
    *_, model = drawn(0)
    given = {"audio": sound(1, 9000), "template": torch.zeros(7, 3), "styles": [0]} | change
    with pytest.raises(ValueError, match=message):
        model.animate(**given)


@pytest.mark.parametrize("shape", [(1, 7, 3), (5, 8, 3), (5, 21), (2, 5, 7, 3)])
def test_what_it_cannot_encode_is_refused(shape):
    *_, model = drawn(0)
    with pytest.raises(ValueError, match=r"offsets \(at least 2, 7, 3\), got"):
        model.encode(torch.zeros(shape))
