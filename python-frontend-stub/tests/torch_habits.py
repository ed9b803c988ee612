"""Modules written as large models' code is, beside the small Llama of tiny_torch."""
import torch
from torch import nn
from torch.nn import functional

torch.fx.wrap("scaled_dot_product_attention")
torch.fx.wrap("rms_norm")


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False,
                                 scale=None, enable_gqa=False):
    """torch.nn.functional's of PyTorch 2.0, which 1.13 lacks, by its documented meaning."""
    if enable_gqa:
        count = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(count, -3) for x in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, float("-inf")) if attn_mask.dtype == torch.bool \
            else scores + attn_mask
    return scores.softmax(-1) @ value


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """torch.nn.functional's of PyTorch 2.4, by its documented meaning."""
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    return input * torch.rsqrt(input.pow(2).mean(-1, keepdim=True) + eps) * weight


class Habits(nn.Module):
    """What large models' code does: angles as a product of matrices, casts everywhere, masks of the
    smallest number by `where`, weights in Conv1D's order, several results."""

    def __init__(self, hidden=32, heads=4, repeat="each"):
        super().__init__()
        torch.manual_seed(7)
        self.heads, self.size, self.repeat = heads, hidden // heads, repeat
        self.embed = nn.Embedding(96, hidden)
        self.register_buffer("inverse", 500000.0 ** (-torch.arange(0, self.size, 2) / self.size))
        self.norm = nn.Parameter(1 + 0.1 * torch.randn(hidden))
        self.q = nn.Parameter(torch.randn(hidden, hidden) / 4)
        self.kv = nn.Parameter(torch.randn(hidden, hidden) / 4)
        self.bias = nn.Parameter(torch.randn(hidden))
        self.out = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, 96, bias=False)

    def rotate(self, x, cos, sin):
        half = self.size // 2
        low, high = x[..., :half], x.narrow(-1, half, half)
        return ((x * cos) + (torch.cat([-high, low], dim=-1) * sin)).to(x.dtype)

    def forward(self, input_ids, attention_mask=None, return_dict=True):
        positions = torch.arange(input_ids.shape[1])[None].float()
        angles = (self.inverse[None, :, None].float() @ positions[:, None]).transpose(1, 2)
        angles = torch.cat([angles, angles], dim=-1)
        cos, sin = angles.cos()[:, None] * 1.0, angles.sin()[:, None]
        x = self.embed(input_ids).float()
        b, t = x.shape[0], x.shape[1]
        y = rms_norm(x, (x.shape[2],), self.norm).type_as(x)
        q = torch.addmm(self.bias, y.view(-1, y.size(-1)), self.q).view(b, t, -1)
        k, v = (y @ self.kv).chunk(2, dim=-1)
        q = self.rotate(q.view(b, t, self.heads, self.size).transpose(1, 2), cos, sin)
        k = self.rotate(k.view(b, t, -1, self.size).transpose(1, 2), cos, sin)
        v = v.view(b, t, -1, self.size).transpose(1, 2)
        if self.repeat == "each":  # 0 0 1 1
            k, v = (z.unsqueeze(2).expand(b, 2, 2, t, self.size).flatten(1, 2) for z in (k, v))
        else:  # 0 1 0 1
            k, v = (z.unsqueeze(1).expand(b, 2, 2, t, self.size).flatten(1, 2) for z in (k, v))
        scores = (q * self.size ** -0.25) @ (k * self.size ** -0.25).transpose(-1, -2)
        seen = torch.tril(torch.ones((t, t), dtype=torch.bool)).view(1, 1, t, t)
        scores = torch.where(seen, scores, torch.tensor(torch.finfo(torch.float32).min))
        weights = functional.dropout(functional.softmax(scores, dim=-1, dtype=torch.float32), 0.1,
                                     self.training)
        mixed = torch.matmul(weights.to(v.dtype), v).transpose(1, 2).contiguous().view(b, t, -1)
        return {"logits": self.head(x + self.out(mixed)), "hidden": x}


class Others(nn.Module):
    """Other families' parts: layer normalization, learned positions, normalized heads, rotation of
    the first columns with a factor, soft caps, scaled embeddings and logits."""

    def __init__(self, norm=nn.Identity, positions=None, head_norms=False, rotated=0, factor=1.0,
                 cap=0.0, hidden=32, heads=4):
        super().__init__()
        torch.manual_seed(9)
        self.heads, self.size = heads, hidden // heads
        self.rotated, self.factor, self.cap, self.positions = rotated, factor, cap, positions
        self.embed = nn.Embedding(96, hidden)
        self.wpe = nn.Embedding(40, hidden)
        self.table = nn.Parameter(torch.randn(1, 40, hidden))
        self.head_norms = head_norms
        self.gain = nn.Parameter(1 + 0.1 * torch.randn(self.size))
        self.layers = nn.ModuleList(nn.ModuleDict({
            "first": norm(hidden), "second": norm(hidden), "qkv": nn.Linear(hidden, 3 * hidden),
            "out": nn.Linear(hidden, hidden), "up": nn.Linear(hidden, 48),
            "down": nn.Linear(48, hidden)}) for _ in range(2))
        self.last = norm(hidden)
        self.head = nn.Linear(hidden, 96)

    def heads_of(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, self.size)

    def normal(self, x):
        if not self.head_norms:
            return x
        return self.gain * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))

    def rotate(self, x, length):
        if not self.rotated:
            return x
        half = self.rotated // 2
        inverse = 100.0 ** (-torch.arange(half) / half)
        angles = torch.arange(length)[:, None] * inverse
        cos, sin = self.factor * angles.cos(), self.factor * angles.sin()
        turned, rest = x[..., :self.rotated], x[..., self.rotated:]
        a, b = turned[..., :half], turned[..., half:]
        return torch.cat((torch.cat((a * cos - b * sin, b * cos + a * sin), -1), rest), -1)

    def forward(self, tokens):
        b, t = tokens.shape[0], tokens.shape[1]
        x = self.embed(tokens)
        if self.positions == "embedding":
            x = x + self.wpe(torch.arange(t))
        elif self.positions == "slice":
            x = x + self.table[:, :t]
        else:
            x = x * 1.5
        mask = torch.full((t, t), float("-inf")).triu(1)
        for layer in self.layers:
            q, k, v = layer["qkv"](layer["first"](x)).chunk(3, -1)
            q = self.rotate(self.normal(self.heads_of(q)).transpose(1, 2), t)
            k = self.rotate(self.normal(self.heads_of(k)).transpose(1, 2), t)
            scores = q @ k.transpose(2, 3) / self.size ** 0.5
            if self.cap:
                scores = self.cap * torch.tanh(scores / self.cap)
            mixed = (scores + mask).softmax(-1) @ self.heads_of(v).transpose(1, 2)
            x = x + layer["out"](mixed.transpose(1, 2).reshape(b, t, -1))
            x = x + layer["down"](torch.sigmoid(layer["up"](layer["second"](x))))
        logits = self.head(self.last(x)) * 0.5
        return torch.tanh(logits / 2.0) * 2.0 if self.cap else logits


class Fused(nn.Module):
    """A block of other habits: attention as one operator on one product for queries, keys and
    values, RMS normalization by division, nonlinearities by hand, no gate."""

    def __init__(self, kind="causal", hidden=32, heads=4, kv_heads=2, interleave=False):
        super().__init__()
        torch.manual_seed(5)
        self.kind, self.heads, self.kv_heads, self.size = kind, heads, kv_heads, hidden // heads
        self.interleave = interleave
        self.embed = nn.Embedding(96, hidden)
        self.gain = nn.Parameter(0.1 * torch.randn(hidden))
        width = (heads + 2 * kv_heads) * self.size
        self.qkv = nn.Linear(hidden, width)
        self.out = nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 40), nn.Linear(40, hidden)
        self.act = nn.GELU()
        self.head = nn.Linear(hidden, 96, bias=False)

    def norm(self, x):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * (1.0 + self.gain)

    def forward(self, tokens):
        x = self.embed(tokens)
        b, t = x.shape[0], x.shape[1]
        if self.interleave:  # [group, (its query heads, key, value)], as Falcon has it
            y = self.qkv(self.norm(x)).view(b, t, self.kv_heads, -1, self.size)
            q = y[:, :, :, :-2].reshape(b, t, self.heads, self.size).transpose(1, 2)
            k, v = y[:, :, :, -2].transpose(1, 2), y[:, :, :, -1].transpose(1, 2)
        else:
            kv = self.kv_heads * self.size
            parts = self.qkv(self.norm(x)).split([self.heads * self.size, kv, kv], dim=-1)
            q, k, v = parts[0], parts[1], parts[2]
            q = q.view(b, t, self.heads, self.size).transpose(1, 2)
            k = k.view(b, t, self.kv_heads, self.size).permute(0, 2, 1, 3)
            v = v.view(b, t, self.kv_heads, self.size).permute(0, 2, 1, 3)
        if self.kind == "causal":
            mixed = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        elif self.kind == "sinks":
            row, column = torch.arange(t)[:, None], torch.arange(t)[None]
            mask = (column <= row) & ((column > row - 6) | (column < 2))
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3,
                                                 enable_gqa=True)
        else:
            mixed = scaled_dot_product_attention(q, k, v, enable_gqa=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, -1))
        return self.head(self.norm(x + self.down(self.act(self.up(self.norm(x))))))
