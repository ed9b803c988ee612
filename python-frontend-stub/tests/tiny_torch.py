"""A small Llama in plain PyTorch, written as model code of that kind is, with switches for the
variations that the frontend has to recognize."""
import math

import torch
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(size))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


class Rotary(nn.Module):
    def __init__(self, head_dim, theta=10000.0):
        super().__init__()
        inverse = theta ** (-torch.arange(0, head_dim, 2).float() / head_dim)
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, length):
        angles = torch.outer(torch.arange(length).float(), self.inverse)
        both = torch.cat((angles, angles), dim=-1)
        return both.cos(), both.sin()


class Attention(nn.Module):
    def __init__(self, hidden, heads, kv_heads, form, bias):
        super().__init__()
        self.heads, self.kv_heads, self.size, self.form = heads, kv_heads, hidden // heads, form
        self.q_proj = nn.Linear(hidden, hidden, bias=bias)
        self.k_proj = nn.Linear(hidden, kv_heads * self.size, bias=bias)
        self.v_proj = nn.Linear(hidden, kv_heads * self.size, bias=bias)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def split(self, x, heads):
        return x.view(x.shape[0], x.shape[1], heads, self.size).transpose(1, 2)

    def rotate(self, x, cos, sin):
        if self.form == "pairs":
            n = cos.shape[-1] // 2
            cos, sin = cos[:, :n], sin[:, :n]
            a, b = x[..., ::2], x[..., 1::2]
            return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
        if self.form == "halves":
            n = cos.shape[-1] // 2
            cos, sin = cos[:, :n], sin[:, :n]
            a, b = x.chunk(2, -1)
            return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)
        if self.form == "complex":
            n = cos.shape[-1] // 2
            turn = torch.complex(cos[:, :n], sin[:, :n])
            pairs = torch.view_as_complex(
                x.reshape(x.shape[0], x.shape[1], x.shape[2], n, 2))
            return torch.view_as_real(pairs * turn).flatten(3)
        return x * cos + rotate_half(x) * sin

    def repeat(self, x):
        count = self.heads // self.kv_heads
        if self.form == "halves":
            return x.repeat_interleave(count, dim=1)
        b, h, t, d = x.shape
        return x[:, :, None].expand(b, h, count, t, d).reshape(b, h * count, t, d)

    def forward(self, x, cos, sin, mask):
        q = self.rotate(self.split(self.q_proj(x), self.heads), cos, sin)
        k = self.rotate(self.split(self.k_proj(x), self.kv_heads), cos, sin)
        v = self.split(self.v_proj(x), self.kv_heads)
        scores = torch.matmul(q, self.repeat(k).transpose(2, 3))
        if self.form == "pairs":
            scores = (scores * self.size ** -0.5).masked_fill(mask < 0, float("-inf"))
        else:
            scores = scores / math.sqrt(self.size) + mask
        probabilities = torch.softmax(scores, dim=-1)
        mixed = probabilities @ self.repeat(v)
        return self.o_proj(mixed.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1))


class FeedForward(nn.Module):
    def __init__(self, hidden, size, fused):
        super().__init__()
        self.fused = fused
        if fused:
            self.gate_up = nn.Linear(hidden, 2 * size, bias=False)
        else:
            self.gate_proj = nn.Linear(hidden, size, bias=False)
            self.up_proj = nn.Linear(hidden, size, bias=False)
        self.down_proj = nn.Linear(size, hidden, bias=False)

    def forward(self, x):
        if self.fused:
            gate, up = self.gate_up(x).chunk(2, dim=-1)
        else:
            gate, up = self.gate_proj(x), self.up_proj(x)
        return self.down_proj(nn.functional.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, hidden, heads, kv_heads, size, form, bias, fused, epsilon):
        super().__init__()
        self.attention_norm = RMSNorm(hidden, epsilon)
        self.feed_forward_norm = RMSNorm(hidden, epsilon)
        self.attention = Attention(hidden, heads, kv_heads, form, bias)
        self.feed_forward = FeedForward(hidden, size, fused)

    def forward(self, x, cos, sin, mask):
        x = x + self.attention(self.attention_norm(x), cos, sin, mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class TinyLlama(nn.Module):
    """form: how rotation and repeated heads are written: rotate_half, halves, pairs, complex."""

    def __init__(self, *, vocabulary=96, hidden=32, heads=4, kv_heads=2, size=48, layers=2,
                 form="rotate_half", bias=False, fused=False, tied=False, window=0, scale=1.0,
                 theta=10000.0, epsilon=1e-6, seed=3):
        super().__init__()
        torch.manual_seed(seed)
        self.window, self.scale = window, scale
        self.embed = nn.Embedding(vocabulary, hidden)
        self.rotary = Rotary(hidden // heads, theta)
        self.layers = nn.ModuleList(
            Block(hidden, heads, kv_heads, size, form, bias, fused, epsilon)
            for _ in range(layers))
        self.norm = RMSNorm(hidden, epsilon)
        self.lm_head = nn.Linear(hidden, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.embed.weight

    def forward(self, tokens):
        length = tokens.shape[1]
        cos, sin = self.rotary(length)
        row = torch.arange(length)[:, None]
        column = torch.arange(length)[None]
        hidden = column > row
        if self.window:
            hidden = hidden | (column <= row - self.window)
        mask = torch.zeros(length, length).masked_fill(hidden, float("-inf"))
        x = self.embed(tokens)
        if self.scale != 1.0:
            x = x * self.scale
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.lm_head(self.norm(x))
