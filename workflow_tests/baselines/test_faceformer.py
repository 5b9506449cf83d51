"""FaceFormer: the authors' values, a plain implementation in other sizes, and what is refused."""

import ast
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plain_baselines import PlainFaceFormer, encoder_config, mask_table, published_state
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.baselines.faceformer import FaceFormer, motion_loss
from said.baselines.positions import causal_bias, own_frame_mask, periodic_encoding, slopes
from said.baselines.speech_decoder import motion_frames
from said.speech import encode, normalise
from said.waveforms import frame_count

TEACHING = {"ar": False, "tf": True}


@pytest.fixture(scope="module")
def golden(official):
    return dict(np.load(official / "golden/faceformer_golden.npz").items())


@pytest.fixture
def authors(official, golden):
    config = json.loads(str(golden["config_json"]))
    state = load_file(official / "golden/faceformer_weights.safetensors")
    return FaceFormer.from_state_dict(state, Wav2Vec2Config(**config["wav2vec2"]))


@pytest.fixture(scope="module")
def clip(golden):
    """What the authors trained on, as the losses take it: audio, targets, templates, styles."""
    audio, target, template = (torch.from_numpy(golden[name]) for name in ("audio_a", "target", "template"))
    return audio[None], target.unflatten(1, (-1, 3))[None], template.view(1, -1, 3), golden["style_a"][None]


def near(reached, expected, largest=1e-4):
    torch.testing.assert_close(
        torch.as_tensor(reached), torch.as_tensor(expected), atol=largest, rtol=0, check_dtype=False
    )


@torch.no_grad()
@pytest.mark.parametrize("name", ["a", "b"])
def test_every_step_from_speech_to_motion_is_the_authors(authors, golden, name):
    audio = torch.from_numpy(golden[f"audio_{name}"])
    frames = motion_frames(len(audio), authors.audio_encoder.config)
    assert frames == len(golden[f"predict_{name}"])
    near(encode(authors.audio_encoder, audio[None], frames)[0], golden[f"hidden_{name}"])
    near(authors.listen(audio[None])[0], golden[f"memory_{name}"])
    template = golden["template"].reshape(-1, 3)
    # Theirs was normalised with 1e-5 added to the variance, not 1e-7; the encoder's first layer removes the scale.
    for heard in (audio, normalise(torch.from_numpy(golden[f"raw_{name}"]))):
        motion = authors.animate(heard, template, [golden[f"style_{name}"]])
        near(motion[0].flatten(1), golden[f"predict_{name}"])


def test_a_batch_of_styles_is_the_authors_styles_one_by_one(authors, golden):
    motion = authors.animate(golden["audio_a"], golden["template"].reshape(-1, 3), np.arange(8))
    assert motion.shape == (8, 38, 12, 3)
    near(motion.flatten(2), golden["predict_a_all_styles"])


def test_masks_and_positions_are_the_authors(authors, golden):
    assert np.array_equal(causal_bias(4, 70, 30), golden["mask_first70"])
    assert np.array_equal(causal_bias(4, 600, 30)[:, -1], golden["mask_row599"])
    assert np.array_equal(causal_bias(4, 90, 25), golden["mask_n4_len90_p25"])
    assert np.array_equal(~own_frame_mask(5, 7).numpy(), golden["encdec_5x7"])
    assert authors.PPE.pe.shape == tuple(golden["ppe_shape"])
    near(periodic_encoding(62, 64, 30), golden["ppe"], 2e-6)
    near(periodic_encoding(630, 64, 30), authors.PPE.pe[0], 2e-6)


def test_heads_that_are_no_power_of_two_forget_at_rates_between():
    assert slopes(4).tolist() == [1 / 4, 1 / 16, 1 / 64, 1 / 256]
    assert slopes(6).tolist() == [*slopes(4).tolist(), 1 / 2, 1 / 8]  # as the authors' get_slopes
    near(slopes(16), [2 ** (-head / 2) for head in range(1, 17)], 1e-7)
    with pytest.raises(ValueError, match="even width, not 5"):
        periodic_encoding(3, 5, 30)


def test_frames_are_counted_as_the_authors_count_them(golden):
    reached = [frame_count(int(n), 50, 30, rounding="truncated") for n in golden["interp_len_in"]]
    assert reached == golden["interp_len_out"].tolist()
    config = Wav2Vec2Config()
    # 4 s, 20 s, and the shortest clip with 205 features, of which a frame is lost
    assert [motion_frames(n, config) for n in (399, 400, 720, 64000, 320000, 400 + 204 * 320)] == [
        0,
        0,
        1,
        119,
        599,
        122,
    ]


def test_speech_is_stretched_as_the_authors_stretch_it(authors, golden):
    class Features(Wav2Vec2Model):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.config, self.adapter = authors.audio_encoder.config, None
            self.feature_extractor = lambda _: torch.from_numpy(golden["interp_x"]).T[None]
            self.feature_projection = lambda features: (features, None)
            self._mask_hidden_states = lambda hidden: hidden
            self.encoder = lambda hidden: type("Output", (), {"last_hidden_state": hidden})

    for expected in ("interp_y", "interp_y_len17"):
        near(encode(Features(), torch.zeros(1, 7600), len(golden[expected]))[0], golden[expected], 1e-6)
    with torch.no_grad():
        audio = torch.from_numpy(golden["audio_a"])[None]
        near(encode(authors.audio_encoder, audio, 45)[0], golden["hidden_target_len"])


@pytest.mark.parametrize("name", TEACHING)
def test_losses_and_gradients_are_the_authors(authors, golden, clip, name):
    loss = motion_loss(authors, *clip, teach=TEACHING[name])
    near(loss.detach(), golden[f"loss_{name}"], 1e-6)
    loss.backward()
    parameters, prefix = dict(authors.named_parameters()), f"grad_{name}/"
    compared = [key.removeprefix(prefix) for key in golden if key.startswith(prefix)]
    assert len(compared) == 9
    for key in compared:
        near(parameters[key].grad, golden[prefix + key])


@pytest.mark.parametrize("name", TEACHING)
def test_steps_of_the_optimiser_are_the_authors(authors, golden, clip, name):
    trained = [parameter for parameter in authors.parameters() if parameter.requires_grad]
    assert not any(parameter.requires_grad for parameter in authors.audio_encoder.feature_extractor.parameters())
    optimiser, losses = torch.optim.Adam(trained, lr=1e-4), []
    for _ in range(4):
        loss = motion_loss(authors, *clip, teach=TEACHING[name])
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    near(losses, golden[f"adam_losses_{name}"], 1e-5)


def test_the_keys_and_the_size_are_the_published(official):
    with torch.device("meta"):
        model = FaceFormer(Wav2Vec2Model(Wav2Vec2Config()))
    lines = (official / "faceformer_keys.txt").read_text(encoding="utf-8").splitlines()
    published = {name: ast.literal_eval(shape) for name, shape in (line.split(" ", 1) for line in lines if line)}
    assert {name: tuple(value.shape) for name, value in published_state(model).items()} == published
    assert sum(parameter.numel() for parameter in model.parameters()) == 96_415_645


SIZES = [
    dict(vertices=7, styles=3, width=16, heads=4, feed_forward=32, layers=1, period=30),
    dict(vertices=10, styles=5, width=32, heads=8, feed_forward=24, layers=3, period=25),
    dict(vertices=5, styles=2, width=8, heads=2, feed_forward=64, layers=2, period=7),
]


def drawn(seed: int, config, **sizes) -> tuple[dict, FaceFormer]:
    """A random model, as published, and what reads it."""
    sizes = {**SIZES[0], **sizes}
    state = published_state(FaceFormer(Wav2Vec2Model(config), **sizes), seed)
    return state, FaceFormer.from_state_dict(state, config, heads=sizes["heads"], period=sizes["period"])


def sound(seed: int, samples: int) -> torch.Tensor:
    return normalise(torch.randn(samples, generator=torch.Generator().manual_seed(seed)))


@torch.no_grad()
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("samples", [720, 16321, 65900])  # 1 frame, 30, and 122 of 205 features
def test_other_sizes_and_lengths_agree_with_the_plain_loop(sizes, samples):
    config = encoder_config(hidden_size=48, num_attention_heads=4, num_hidden_layers=2)
    state, model = drawn(samples, config, **sizes)
    plain = PlainFaceFormer(state, config, sizes["heads"], sizes["period"], torch.float64, frames=150)
    audio, template = sound(samples, samples), torch.randn(sizes["vertices"], 3)
    styles = torch.tensor([1, 0])
    motion = model.animate(audio, template, styles)
    exact = model.double().animate(audio, template, styles)
    for style, one, precise in zip(styles, motion, exact, strict=True):
        if samples == 720:  # a single frame cannot be interpolated by the plain way's table
            assert one.shape == (1, sizes["vertices"], 3)
            continue
        expected = plain.offsets(audio, int(style)).unflatten(-1, (-1, 3)) + template
        near(precise, expected, 1e-6)
        near(one, expected, 1e-4)
    assert motion.std() > 0.05


def test_other_gradients_agree_with_the_plain_loop():
    config = encoder_config()
    state, model = drawn(3, config)
    model.double()
    plain = PlainFaceFormer(state, config, dtype=torch.float64, frames=30)
    audio, targets = sound(1, 12000), torch.randn(1, 20, 7, 3, dtype=torch.float64)
    template = torch.randn(1, 7, 3, dtype=torch.float64)
    own = dict(model.named_parameters())
    kept = ["vertice_map.weight", "vertice_map.bias", "vertice_map_r.weight", "vertice_map_r.bias", "obj_vector.weight"]
    inner = dict(plain.decoder.named_parameters())
    for name in kept:
        plain.state[name].requires_grad_()
    offsets = (targets - template[:, None])[0].flatten(1)
    for teach, reached in (
        (False, lambda: plain.offsets(audio, 1, 20)),
        (True, lambda: plain.taught(audio, offsets, 1)),
    ):
        wanted = [plain.state[name] for name in kept] + list(inner.values())
        expected = torch.autograd.grad(F.mse_loss(reached(), offsets), wanted)
        found = [own[name] for name in kept] + [own[f"transformer_decoder.{name}"] for name in inner]
        loss = motion_loss(model, audio[None].double(), targets, template, torch.tensor([1]), teach=teach)
        got = torch.autograd.grad(loss, found)
        for one, other in zip(got, expected, strict=True):
            near(one, other, 1e-6)
        assert got[0].abs().max() > 1e-4


@torch.no_grad()
def test_clips_longer_than_the_authors_table_go_on_as_the_formula_says():
    config = encoder_config()
    _, model = drawn(5, config, period=7, width=8, heads=2)
    memory = torch.randn(1, 700, 8)
    inputs, outputs = model._generate(memory, torch.randn(2, 8))
    near(model.decode(inputs, memory.expand(2, -1, -1)), outputs)
    assert torch.equal(causal_bias(2, 700, 7)[:, 690:], mask_table(2, 7, 700)[:, 690:].float())


@torch.no_grad()
def test_batches_of_clips_are_the_clips_one_by_one():
    _, model = drawn(6, encoder_config())
    audio = torch.stack([sound(1, 9000), sound(2, 9000)])
    targets, templates, styles = torch.randn(2, 15, 7, 3), torch.randn(2, 7, 3), torch.tensor([2, 0])
    for teach in (True, False):
        both = model.predict(audio, targets, templates, styles, teach)
        for item in range(2):
            one = model.predict(*(given[item : item + 1] for given in (audio, targets, templates, styles)), teach)
            near(both[item : item + 1], one)


@torch.no_grad()
def test_what_is_added_to_scores_begins_where_a_gpu_can_read_it(monkeypatch):
    """Its kernels read 16 bytes at a time; a bias that began elsewhere ended a training with `misaligned address`."""
    begins = []
    attend = F.scaled_dot_product_attention

    def watched(*given, attn_mask, **options):
        if attn_mask is not None:  # the speech encoder has none
            begins.append(attn_mask.data_ptr() % 16)
        return attend(*given, attn_mask=attn_mask, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    _, model = drawn(9, encoder_config())
    model.animate(sound(1, 13000), torch.randn(7, 3), [0])
    assert len(begins) > 20 and not any(begins)


@torch.no_grad()
def test_styles_can_be_mixed():
    _, model = drawn(7, encoder_config())
    audio, template, weights = sound(1, 9000), torch.randn(7, 3), torch.eye(3)
    pure = model.animate(audio, template, torch.arange(3))
    near(model.animate(audio, template, weights), pure, 1e-6)
    mixed = model.animate(audio, template, torch.tensor([[0.5, 0.5, 0.0]]))
    assert all((mixed[0] - one).abs().max() > 1e-3 for one in pure)


def test_training_draws_dropout_and_masks_speech():
    _, model = drawn(8, encoder_config())
    given = sound(1, 16000)[None], torch.randn(1, 30, 7, 3), torch.randn(1, 7, 3), torch.tensor([0])
    calm = motion_loss(model, *given, teach=False).item()
    model.train()
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - transformers masks speech with it
    losses = [motion_loss(model, *given, teach=False).item() for _ in range(3)]
    assert len({calm, *losses}) == 4
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert motion_loss(model, *given, teach=False).item() == losses[0]


def test_a_fresh_model_does_not_move():
    model = FaceFormer(Wav2Vec2Model(encoder_config()).eval(), 7, 3).eval()
    template = torch.randn(7, 3)
    assert torch.equal(model.animate(sound(1, 9000), template, [0, 2]), template.expand(2, 16, -1, -1))


@pytest.mark.parametrize("dropped", [
    "PPE.pe", "obj_vector.weight", "vertice_map.weight", "vertice_map_r.bias", "audio_feature_map.bias",
    "transformer_decoder.layers.0.linear1.weight", "transformer_decoder.layers.0.norm2.bias",
    "transformer_decoder.layers.0.multihead_attn.in_proj_weight", "audio_encoder.encoder.pos_conv_embed.conv.weight_g",
    "audio_encoder.masked_spec_embed",
])  # fmt: skip
def test_a_missing_an_extra_and_a_misshapen_key_are_named(dropped):
    config = encoder_config()
    state, _ = drawn(0, config)
    lacking = {name: value for name, value in state.items() if name != dropped}
    with pytest.raises(ValueError, match=f"not the weights of FaceFormer:\n  missing: {dropped} "):
        FaceFormer.from_state_dict(lacking, config)
    with pytest.raises(ValueError, match=f"unexpected: {dropped}_again "):
        FaceFormer.from_state_dict({**state, f"{dropped}_again": state[dropped]}, config)
    if dropped != "obj_vector.weight":  # whose rows and columns: see below
        cut = {**state, dropped: state[dropped][..., :-1]}
        with pytest.raises(ValueError, match=f"wrong shape: {dropped} is"):
            FaceFormer.from_state_dict(cut, config)


def test_only_what_is_wrong_is_named():
    config = encoder_config()
    state, _ = drawn(0, config, **SIZES[1])
    for name, value in state.items():
        if name.startswith(("vertice", "audio_feature_map", "transformer_decoder.layers.1")):
            with pytest.raises(ValueError) as caught:
                FaceFormer.from_state_dict({**state, name: value[:-1]}, config, heads=8, period=25)
            assert str(caught.value).count("\n") == 1 and f"wrong shape: {name} is" in str(caught.value)
    with pytest.raises(ValueError, match=r"wrong shape: PPE.pe is \(1, 625, 32\), expected \(1, 630, 32\)"):
        FaceFormer.from_state_dict(state, config, heads=8)
    with pytest.raises(ValueError, match="wrong shape: audio_feature_map.weight is"):
        FaceFormer.from_state_dict(state, encoder_config(hidden_size=64), heads=8, period=25)
    with pytest.raises(ValueError, match="missing: vertice_map_r.weight"):
        FaceFormer.from_state_dict({}, config)


def test_sizes_that_do_not_go_together_are_refused():
    config = encoder_config()
    state, _ = drawn(0, config)
    with pytest.raises(ValueError, match="width of 16 cannot be divided into 3 heads"):
        FaceFormer.from_state_dict(state, config, heads=3)
    odd = {**state, "vertice_map.weight": torch.zeros(16, 20), "vertice_map_r.weight": torch.zeros(20, 16)}
    with pytest.raises(ValueError, match="three coordinates each, and vertice_map.weight has 20"):
        FaceFormer.from_state_dict({**odd, "vertice_map_r.bias": torch.zeros(20)}, config)


def test_weights_are_copied_and_generators_left_alone():
    config = encoder_config()
    state, _ = drawn(0, config)
    before = torch.get_rng_state()
    model = FaceFormer.from_state_dict({name: value.double() for name, value in state.items()}, config)
    assert torch.equal(before, torch.get_rng_state())
    assert not model.training and model.vertice_map.weight.dtype == torch.float32
    first = FaceFormer.from_state_dict(state, config)
    with torch.no_grad():
        first.vertice_map.weight.add_(1)
    assert torch.equal(model.vertice_map.weight, state["vertice_map.weight"])


def test_new_names_of_normalised_weights_are_read_too():
    config = encoder_config()
    state, model = drawn(0, config)
    new = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for name, value in state.items()
    }
    assert new.keys() != state.keys()
    again = FaceFormer.from_state_dict(new, config).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="unexpected: .*original0"):
        FaceFormer.from_state_dict({**state, **new}, config)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(audio=torch.zeros(399)), "at least 400 samples"),
        (dict(audio=torch.zeros(1, 9000)), r"waveform \(T,\)"),
        (dict(audio=torch.zeros(719)), "too short: 719 samples"),
        (dict(template=torch.zeros(8, 3)), r"template \(7, 3\)"),
        (dict(template=torch.zeros(21)), r"template \(7, 3\)"),
        (dict(styles=[3]), r"styles lie in \[0, 3\), got \[3\]"),
        (dict(styles=[0, -1]), r"styles lie in \[0, 3\)"),
        (dict(styles=[]), "styles"),
        (dict(styles=[0.5]), "whole numbers"),
        (dict(styles=torch.tensor(1)), "styles"),
        (dict(styles=torch.ones(1, 4)), "weights"),
    ],
)
def test_what_it_cannot_animate_is_refused(change, message):
    _, model = drawn(0, encoder_config())
    given = {"audio": sound(1, 9000), "template": torch.zeros(7, 3), "styles": [0]} | change
    with pytest.raises(ValueError, match=message):
        model.animate(**given)
