"""The models that peer.py times, in plain PyTorch."""
import torch
import torch.nn as nn
import torch.nn.functional as F

HAS_SDPA = hasattr(F, "scaled_dot_product_attention")


def attend(q, k, v, mask, causal, p):
    """(B,h,T,dh) attention; explicit products where torch has no SDPA (1.13)."""
    if HAS_SDPA:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, is_causal=causal)
    s = torch.matmul(q * (q.size(-1) ** -0.5), k.transpose(-2, -1))
    if causal:
        s = s + torch.full((q.size(2), k.size(2)), float("-inf")).triu_(1)
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    s = F.softmax(s, dim=-1)
    return torch.matmul(F.dropout(s, p) if p > 0 else s, v)


class MHA(nn.Module):
    """Multi-head attention with one fused input projection (QKV, or Q and KV)."""
    def __init__(self, d, h, cross=False, p=0.0):
        super().__init__()
        self.h, self.p, self.cross = h, p, cross
        if cross:
            self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)
        else:
            self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)

    def heads(self, x):
        B, T, d = x.shape
        return x.view(B, T, self.h, d // self.h).transpose(1, 2)

    def forward(self, x, mem=None, mask=None, causal=False):
        if self.cross:
            q, (k, v) = self.q(x), self.kv(mem).chunk(2, dim=-1)
        else:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        y = attend(self.heads(q), self.heads(k), self.heads(v), mask, causal,
                   self.p if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """Pre-norm encoder or decoder layer: x + drop(f(norm(x)))."""
    def __init__(self, d, h, ffn, p, ap_, decoder):
        super().__init__()
        self.decoder = decoder
        self.n1, self.att = nn.LayerNorm(d), MHA(d, h, False, ap_)
        if decoder:
            self.n2, self.cross = nn.LayerNorm(d), MHA(d, h, True, ap_)
        self.n3, self.f1, self.f2, self.drop = nn.LayerNorm(d), nn.Linear(d, ffn), nn.Linear(ffn, d), nn.Dropout(p)

    def forward(self, x, mem=None, mask=None):
        x = x + self.drop(self.att(self.n1(x), mask=None if self.decoder else mask, causal=self.decoder))
        if self.decoder:
            x = x + self.drop(self.cross(self.n2(x), mem, mask=mask))
        return x + self.drop(self.f2(self.drop(F.relu(self.f1(self.n3(x))))))


class Seq2Seq(nn.Module):
    """Pre-norm Transformer; target embedding tied with the output (joint: source too)."""
    def __init__(self, c, p, ap_, maxlen=64):
        super().__init__()
        d = c["d"]
        self.c = c
        self.tgt = nn.Embedding(c["vocab"], d)
        self.src = self.tgt if c["joint"] else nn.Embedding(c["vocab"], d)
        for e in {self.tgt, self.src}:
            nn.init.normal_(e.weight, std=d ** -0.5)
        pos = torch.arange(maxlen)[:, None] * torch.exp(torch.arange(0, d, 2) * (-9.210340371976184 / d))
        self.register_buffer("pe", torch.stack([pos.sin(), pos.cos()], -1).reshape(maxlen, d))
        mk = lambda dec: nn.ModuleList([Layer(d, c["h"], c["ffn"], p, ap_, dec) for _ in range(c["layers"])])
        self.enc, self.dec = mk(False), mk(True)
        self.en, self.dn, self.drop = nn.LayerNorm(d), nn.LayerNorm(d), nn.Dropout(p)

    def embed(self, table, ids):
        return self.drop(table(ids) * self.c["d"] ** 0.5 + self.pe[:ids.size(1)])

    def encode(self, src, mask=None):
        x = self.embed(self.src, src)
        for l in self.enc:
            x = l(x, mask=mask)
        return self.en(x)

    def forward(self, src, tgt, mask=None):
        mem, x = self.encode(src, mask), self.embed(self.tgt, tgt)
        for l in self.dec:
            x = l(x, mem, mask=mask)
        return F.linear(self.dn(x), self.tgt.weight)


class GPT(nn.Module):
    """llm.c's GPT-2: learned positions, pre-norm, tanh GELU, tied head, no dropout."""
    def __init__(self, V, T, L, h, d):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, d), nn.Embedding(T, d)
        for e in (self.wte, self.wpe):
            nn.init.normal_(e.weight, std=0.02)
        self.ls = nn.ModuleList([nn.ModuleDict(dict(
            n1=nn.LayerNorm(d), att=MHA(d, h), n2=nn.LayerNorm(d), f1=nn.Linear(d, 4 * d),
            f2=nn.Linear(4 * d, d))) for _ in range(L)])
        self.nf = nn.LayerNorm(d)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe.weight[:ids.size(1)]
        for l in self.ls:
            x = x + l["att"](l["n1"](x), causal=True)
            x = x + l["f2"](F.gelu(l["f1"](l["n2"](x)), approximate="tanh"))
        return F.linear(self.nf(x), self.wte.weight)
