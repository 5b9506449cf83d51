"""FaceFormer and CodeTalker as their authors run them: one style, the whole prefix anew for each frame.

The reference of tests and benchmarks, written from the description alone and on published keys: no cache, no batch,
nothing folded, tables instead of formulas.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

SMALL_ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
}


def encoder_config(**changes) -> Wav2Vec2Config:
    return Wav2Vec2Config(**{**SMALL_ENCODER, **changes})


def published_state(module: nn.Module, seed: int | None = None) -> dict[str, Tensor]:
    """A module's tensors by their published names; drawn from a seed, large enough that mistakes show."""
    state = {name: value.clone() for name, value in module.state_dict().items()}
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        for name, value in state.items():
            if name.endswith(".pe"):
                continue
            drawn = torch.randn(value.shape, generator=generator)
            scale = 1.3 / math.sqrt(value[0].numel()) if value.ndim > 1 else 0.2
            norm = value.ndim == 1 and name.endswith("weight") or name.endswith("original0")
            state[name] = drawn * scale + norm
            if name in ("quantize.embedding.weight", "learnable_style_emb.weight", "obj_vector.weight"):
                state[name] = drawn
    legacy = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}
    for own, published in legacy.items():
        state = {name.replace(own, published): value for name, value in state.items()}
    return state


def position_table(frames: int, width: int) -> Tensor:
    table = torch.zeros(frames, width, dtype=torch.float64)
    for t in range(frames):
        for i in range(width // 2):
            angle = t / 10000 ** (2 * i / width)
            table[t, 2 * i], table[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def mask_table(heads: int, period: int, frames: int) -> Tensor:
    frame = torch.arange(frames)
    back = frame[:, None] - frame
    masks = []
    for h in range(1, heads + 1):
        mask = -(2.0 ** (-8 * h / heads)) * torch.floor(back.double() / period)
        mask[back < 0] = -math.inf
        masks.append(mask)
    return torch.stack(masks)


class PlainDecoder:
    """Speech encoder and decoder of either model; `state` has the published keys."""

    def __init__(
        self, state: dict[str, Tensor], config: Wav2Vec2Config, heads=4, period=30, dtype=torch.float32, frames=600
    ):
        self.state = state = {name: value.to(dtype, copy=True) for name, value in state.items()}
        self.encoder = Wav2Vec2Model(config).to(dtype).eval()
        self.encoder.load_state_dict(self._under("audio_encoder."))
        feed_forward, width = state["transformer_decoder.layers.0.linear1.weight"].shape
        layers = sum(name.endswith("norm3.weight") for name in state)
        layer = nn.TransformerDecoderLayer(width, heads, feed_forward, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers).to(dtype).eval()
        self.decoder.load_state_dict(self._under("transformer_decoder."))
        self.mask = mask_table(heads, period, frames).to(dtype)
        self.own = ~torch.eye(frames, dtype=torch.bool)
        self.positions = position_table(period, width).repeat(frames // period + 1, 1).to(dtype)

    def _under(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in self.state.items() if name.startswith(prefix)}

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def listen(self, audio: Tensor, frames: int | None = None) -> Tensor:
        features = self.encoder.feature_extractor(audio.to(self.mask.dtype)[None])[0].T  # (n, C)
        n = len(features)
        frames = int(n / 50.0 * 30) if frames is None else frames
        place = torch.linspace(0, n - 1, frames, dtype=torch.float64)
        before = place.floor().long().clamp(max=n - 2)
        share = (place - before).to(features.dtype)[:, None]
        features = (1 - share) * features[before] + share * features[before + 1]
        hidden = self.encoder.encoder(self.encoder.feature_projection(features[None])[0]).last_hidden_state[0]
        return self.linear("audio_feature_map", hidden)

    def decode(self, inputs: Tensor, memory: Tensor) -> Tensor:
        n = len(inputs)
        inputs = inputs + self.positions[:n]
        mask, own = self.mask[:, :n, :n], self.own[:n, : len(memory)]
        return self.decoder(inputs[None], memory[None], tgt_mask=mask, memory_mask=own)[0]

    def taught_inputs(self, offsets: Tensor, style: Tensor) -> Tensor:
        before = torch.cat([torch.zeros_like(offsets[:1]), offsets[:-1]])
        return self.linear("vertice_map", before) + style


class PlainFaceFormer(PlainDecoder):
    def offsets(self, audio: Tensor, style: int, frames: int | None = None) -> Tensor:
        """(N, 3V) in one style, autoregressive."""
        memory, style = self.listen(audio, frames), self.state["obj_vector.weight"][:, style]
        inputs = [style]
        while True:
            out = self.linear("vertice_map_r", self.decode(torch.stack(inputs), memory))
            if len(inputs) == len(memory):
                return out
            inputs.append(self.linear("vertice_map", out[-1]) + style)

    def taught(self, audio: Tensor, offsets: Tensor, style: int) -> Tensor:
        style = self.state["obj_vector.weight"][:, style]
        memory = self.listen(audio, len(offsets))
        return self.linear("vertice_map_r", self.decode(self.taught_inputs(offsets, style), memory))


class PlainAutoencoder:
    def __init__(self, state: dict[str, Tensor], heads=8, dtype=torch.float32):
        self.state = {name: value.to(dtype, copy=True) for name, value in state.items()}
        self.heads = heads

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def squash(self, name: str, x: Tensor) -> Tensor:
        x = F.pad(x.T[None], (2, 2), mode="replicate")
        x = F.leaky_relu(F.conv1d(x, self.state[f"{name}.0.0.weight"], self.state[f"{name}.0.0.bias"]), 0.2)
        return F.instance_norm(x)[0].T

    def transform(self, side: str, x: Tensor) -> Tensor:
        x = self.linear(f"{side}.{side}_linear_embedding.net", x) + self.state[f"{side}.{side}_pos_embedding.pe"][0]
        width, net = x.shape[1], f"{side}.{side}_transformer.net"
        for number in range(sum(name.startswith(net) and name.endswith("norm.bias") for name in self.state)):
            layer = f"{net}.{number}.fn"
            normed = F.layer_norm(x, (width,), self.state[f"{layer}.norm.weight"], self.state[f"{layer}.norm.bias"])
            if number % 2:
                hidden = self.linear(f"{layer}.fn.l1", normed)
                hidden = 0.5 * hidden * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
                x = x + self.linear(f"{layer}.fn.l2", hidden)
                continue
            q, k, v = (
                one.reshape(len(x), self.heads, -1).transpose(0, 1)
                for one in self.linear(f"{layer}.fn.to_qkv", normed).split(width, dim=1)
            )
            seen = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(width), dim=-1) @ v
            x = x + self.linear(f"{layer}.fn.to_out", seen.transpose(0, 1).reshape(len(x), width))
        return x

    def encode(self, offsets: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.linear("encoder.vertice_mapping.0", offsets), 0.2)
        return self.transform("encoder", self.squash("encoder.squasher", hidden))

    def decode(self, features: Tensor) -> Tensor:
        hidden = self.transform("decoder", self.squash("decoder.expander", features))
        return self.linear("decoder.vertice_map_reverse", hidden)

    def quantise(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """Quantised (straight through), codes, loss, and by how much the nearest code is nearer than the next."""
        codebook = self.state["quantize.embedding.weight"]
        vectors = features.reshape(-1, codebook.shape[1])
        distances = (vectors[:, None] - codebook).square().sum(-1)
        two, codes = distances.detach().topk(2, dim=1, largest=False)
        chosen = codebook[codes[:, 0]]
        loss = 0.25 * (chosen.detach() - vectors).square().mean() + (chosen - vectors.detach()).square().mean()
        through = (vectors + (chosen - vectors).detach()).reshape(features.shape)
        return through, codes[:, 0].reshape(len(features), -1), loss, (two[:, 1] - two[:, 0]).min().item()


class PlainCodeTalker(PlainDecoder):
    def __init__(self, autoencoder: PlainAutoencoder, state: dict[str, Tensor], config: Wav2Vec2Config, **more):
        super().__init__(state, config, **more)
        self.autoencoder = autoencoder

    def generate(self, audio: Tensor, style: int) -> tuple[Tensor, Tensor, Tensor, float]:
        """Offsets (N, 3V), codes, offsets that were fed back (N - 1, 3V), and the least margin of a code."""
        vq, memory, style = self.autoencoder, self.listen(audio), self.state["learnable_style_emb.weight"][style]
        inputs, back = [style], []
        while True:
            features = self.linear("feat_map", self.decode(torch.stack(inputs), memory))
            quantised, codes, _, margin = vq.quantise(features)
            if len(inputs) == len(memory):
                return vq.decode(quantised), codes, torch.stack(back), margin
            back.append(vq.decode(quantised)[-1] if len(inputs) > 1 else vq.decode(quantised.repeat(2, 1))[0])
            inputs.append(self.linear("vertice_map", back[-1]) + style)

    def losses(self, audio: Tensor, offsets: Tensor, style: int) -> tuple[Tensor, Tensor]:
        vq, memory = self.autoencoder, self.listen(audio, len(offsets))
        inputs = self.taught_inputs(offsets, self.state["learnable_style_emb.weight"][style])
        features = self.linear("feat_map", self.decode(inputs, memory))
        motion = (vq.decode(vq.quantise(features)[0]) - offsets).square().mean()
        truth = vq.quantise(vq.encode(offsets))[0].detach()
        return motion, (features - truth).square().mean()
