#!/usr/bin/env python3
"""One benchmark of a PyTorch peer; prints exactly one JSON line on stdout.

    peer.py --workload W2 --threads 2                 # eager fp32
    peer.py --workload W3 --threads 2 --mode compiled --dtype bf16

Workloads (float32; a training step = forward + loss + backward + gradient clip + Adam):
  W1 toy / W2 tiny / W3 base  encoder-decoder Transformer (pre-norm, see Seq2Seq)
  W4  multi-head self-attention layer alone, forward + backward wrt input and weights
  W5  greedy decoding with a KV cache (W2's model, source 16, 32 generated tokens)
  W6  single operations, forward + backward
  W7  start-up: a fresh process imports torch, builds W1 and does one training step
  GPT training step of a decoder-only model of llm.c's kind
  MLP training step of a perceptron of KANN's kind, with RMSprop

bench/heed_bench.c does the same with heed; bench/run.sh compares the two. Runs on torch 1.13 (Debian 12) and later;
./setup.sh gets a current one and ./run.sh runs it. W1-W6 give ms_median/ms_min/ms_max over `reps` steps of
one process; peak_rss_mb is that process's.
"""
import argparse, json, os, platform, resource, statistics, subprocess, sys, time

T_START = time.perf_counter()

ap = argparse.ArgumentParser()
ap.add_argument("--workload", required=True)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--mode", choices=["eager", "compiled"], default="eager")
ap.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32", help="bf16 = torch.autocast")
ap.add_argument("--dropout", type=float, default=0.1, help="residual/embedding/ffn dropout of W1-W3")
ap.add_argument("--attn-dropout", type=float, default=0.0,
                help="dropout on attention weights (0 as in Vaswani et al. and fairseq; >0 makes "
                     "torch leave its fused CPU attention kernel)")
ap.add_argument("--pad-mask", action="store_true", help="pass a key padding mask (all tokens valid)")
ap.add_argument("--warmup", type=int, default=5)
ap.add_argument("--reps", type=int, default=15, help="least number of timed steps")
ap.add_argument("--min-time", type=float, default=4.0, help="time at least this many seconds")
ap.add_argument("--case", default="", help="only the W4/W5/W6 cases whose name contains this")
ap.add_argument("--label", default="", help="free text copied to the output")
ap.add_argument("--startup-child", action="store_true", help=argparse.SUPPRESS)
args = ap.parse_args()

os.environ["OMP_NUM_THREADS"] = str(args.threads)      # before torch and OpenBLAS load
os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
import torch                                            # noqa: E402
import torch.nn as nn                                   # noqa: E402
import torch.nn.functional as F                         # noqa: E402
from models import GPT, MHA, Seq2Seq, attend            # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(1234)
T_IMPORT = time.perf_counter() - T_START

# name: src vocab, tgt vocab, joint?, d_model, heads, enc/dec layers, ffn, batch, src len, tgt len
SEQ2SEQ = {
    "W1": dict(vocab=64, joint=False, d=64, h=4, layers=2, ffn=256, batch=64, S=12, T=12),
    "W2": dict(vocab=10000, joint=True, d=128, h=4, layers=4, ffn=256, batch=128, S=16, T=16),
    "W3": dict(vocab=8000, joint=True, d=512, h=8, layers=6, ffn=2048, batch=32, S=32, T=32),
}
MHA_SHAPES = [(8, 128, 512, 8), (4, 512, 512, 8), (1, 2048, 512, 8), (64, 16, 128, 4)]


# ---------------------------------------------------------------- FLOP formulas
def mha_flops(B, Tq, Tk, d, causal=False, q_extra=True):
    """Forward matmul FLOPs of one attention block: 4 projections + QK^T + AV.
    Causal attention counts Tq(Tq+1)/2 query-key pairs, not Tq*Tk."""
    pairs = Tq * (Tq + 1) / 2 if causal else Tq * Tk
    return 2 * B * (2 * Tq * d * d + 2 * Tk * d * d) + 4 * B * pairs * d


def seq2seq_flops(c):
    """Matmul FLOPs of one training step = 3 x forward (backward = 2 x forward).
    Embedding, norms, softmax, loss, optimiser are not counted."""
    B, S, T, d, f = c["batch"], c["S"], c["T"], c["d"], c["ffn"]
    enc = mha_flops(B, S, S, d) + 4 * B * S * d * f
    dec = mha_flops(B, T, T, d, True) + mha_flops(B, T, S, d) + 4 * B * T * d * f
    return 3 * (c["layers"] * (enc + dec) + 2 * B * T * d * c["vocab"])


def gpt_flops(V, B, T, L, d):
    return 3 * (L * (mha_flops(B, T, T, d, True) + 16 * B * T * d * d) + 2 * B * T * d * V)


# ---------------------------------------------------------------- timing
def measure(step, warmup=None, reps=None, min_time=None, cap=5000):
    warmup, reps = warmup or args.warmup, reps or args.reps
    min_time = args.min_time if min_time is None else min_time
    for _ in range(warmup):
        step()
    ts, t0 = [], time.perf_counter()
    while len(ts) < reps or (time.perf_counter() - t0 < min_time and len(ts) < cap):
        t = time.perf_counter()
        step()
        ts.append((time.perf_counter() - t) * 1e3)
    return ts


def stats(ts):
    return dict(ms_median=round(statistics.median(ts), 4), ms_min=round(min(ts), 4),
                ms_max=round(max(ts), 4), reps=len(ts))


def rss_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def blas_name():
    try:
        libs = {os.path.realpath(l.split()[-1]) for l in open("/proc/self/maps") if "r-xp" in l}
        return ",".join(sorted(os.path.basename(p) for p in libs if any(
            k in p for k in ("openblas", "mkl_rt", "blis", "libblas", "dnnl"))))
    except OSError:
        return "?"


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.dtype == "bf16")


def maybe_compile(f, **kw):
    if args.mode == "eager":
        return f
    torch._dynamo.reset()
    return torch.compile(f, dynamic=False, **kw)


def inductor_isa():
    """The ISA torch.compile generates for. It silently emits scalar code where its probe fails
    (e.g. no sleef.h), which would make 'compiled' look several times too slow: refuse that."""
    if args.mode != "compiled":
        return None
    from torch._inductor import cpu_vec_isa
    isa = str(cpu_vec_isa.pick_vec_isa())
    if "INVALID" in isa:
        sys.exit("torch.compile finds no vector ISA here (install libsleef-dev, libtorch-dev, g++): not timing it")
    return isa


def make_opt(cls, params, **kw):
    for extra in (dict(fused=True), dict(foreach=True), {}):
        try:
            return cls(params, **kw, **extra), (list(extra) or ["plain"])[0]
        except (TypeError, RuntimeError, ValueError):
            pass
    raise RuntimeError("no optimiser")


def make_step(loss_fn, params, opt, clip):
    def step():
        opt.zero_grad(set_to_none=True)
        loss = loss_fn()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(params, clip)
        opt.step()
        return loss
    return step


# ---------------------------------------------------------------- workloads
def seq2seq_setup(name):
    c = SEQ2SEQ[name]
    model = Seq2Seq(c, args.dropout, args.attn_dropout).train()
    src = torch.randint(0, c["vocab"], (c["batch"], c["S"]))
    tgt = torch.randint(0, c["vocab"], (c["batch"], c["T"] + 1))
    tin, tout = tgt[:, :-1].contiguous(), tgt[:, 1:].contiguous()
    mask = torch.ones(c["batch"], 1, 1, c["S"], dtype=torch.bool) if args.pad_mask else None

    def loss_of(src, tin, tout):
        with autocast():
            logits = model(src, tin, mask)
        return F.cross_entropy(logits.float().view(-1, c["vocab"]), tout.view(-1), label_smoothing=0.1)
    f = maybe_compile(loss_of)
    params = list(model.parameters())
    opt, kind = make_opt(torch.optim.Adam, params, lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
    return c, params, kind, make_step(lambda: f(src, tin, tout), params, opt, 1.0)


def run_seq2seq(name):
    c, params, kind, step = seq2seq_setup(name)
    t = time.perf_counter()
    step()
    first = time.perf_counter() - t
    st, fl = stats(measure(step)), seq2seq_flops(c)
    tok = c["batch"] * (c["S"] + c["T"])
    return dict(**st, tokens_per_s=round(tok / st["ms_median"] * 1e3), tokens_per_step=tok,
                flops_per_step=fl, gflops=round(fl / st["ms_median"] / 1e6, 2), config=c, optimizer=kind,
                params=sum(p.numel() for p in params), first_step_s=round(first, 3))


def run_mha():
    out = []
    for (B, T, d, h) in MHA_SHAPES:
        for causal in (False, True):
            name = f"B{B}_T{T}_d{d}_h{h}_{'causal' if causal else 'full'}"
            if args.case not in name:
                continue
            m = MHA(d, h).train()
            x, g = torch.randn(B, T, d, requires_grad=True), torch.randn(B, T, d)

            def fwd(x):
                with autocast():
                    return m(x, causal=causal)
            f = maybe_compile(fwd)
            leaves = [x] + list(m.parameters())

            def step():
                y = f(x)
                torch.autograd.grad(y, leaves, g.to(y.dtype))
            st, fl = stats(measure(step, min_time=args.min_time / 2)), 3 * mha_flops(B, T, T, d, causal)
            out.append(dict(case=name, **st, flops=fl, gflops=round(fl / st["ms_median"] / 1e6, 2)))
    return dict(cases=out)


class Decoder:
    """Greedy decoding with preallocated self-attention caches and cross K/V computed once.
    static=True always attends over the whole cache with a mask (what torch.compile needs)."""
    def __init__(self, model, B, S, L, static):
        c = model.c
        self.m, self.B, self.L, self.static = model, B, L, static
        shape = (c["layers"], B, c["h"], L, c["d"] // c["h"])
        self.K, self.V = torch.zeros(shape), torch.zeros(shape)
        self.visible = torch.ones(L, L, dtype=torch.bool).tril_()

    def cross_kv(self, mem):
        return [tuple(l.cross.heads(t) for t in l.cross.kv(mem).chunk(2, dim=-1)) for l in self.m.dec]

    def step(self, tok, i, pos, kv):                       # tok (B,) -> next (B,); i int, pos tensor
        m, B = self.m, self.B
        d, h = m.c["d"], m.c["h"]
        x = m.tgt(tok).mul(d ** 0.5) + (m.pe.index_select(0, pos) if self.static else m.pe[i])
        for n, l in enumerate(m.dec):
            q, k, v = l.att.qkv(l.n1(x)).view(B, 3, h, 1, d // h).unbind(1)
            if self.static:
                self.K[n].index_copy_(2, pos, k)
                self.V[n].index_copy_(2, pos, v)
                K, V, mask = self.K[n], self.V[n], self.visible.index_select(0, pos)
            else:
                self.K[n, :, :, i:i + 1], self.V[n, :, :, i:i + 1] = k, v
                K, V, mask = self.K[n, :, :, :i + 1], self.V[n, :, :, :i + 1], None
            x = x + l.att.out(attend(q, K, V, mask, False, 0.0).reshape(B, d))
            q = l.cross.q(l.n2(x)).view(B, h, 1, d // h)
            x = x + l.cross.out(attend(q, *kv[n], None, False, 0.0).reshape(B, d))
            x = x + l.f2(F.relu(l.f1(l.n3(x))))
        return F.linear(m.dn(x), m.tgt.weight).argmax(-1)


def run_decode():
    c, L, out = SEQ2SEQ["W2"], 32, []
    model = Seq2Seq(c, 0.0, 0.0).eval()
    for B in (1, 64):
        if args.case and args.case != f"b{B}":
            continue
        with torch.no_grad():                              # inference_mode upsets dynamo on some versions
            static = args.mode == "compiled"
            dec = Decoder(model, B, c["S"], L, static)
            src, bos = torch.randint(0, c["vocab"], (B, c["S"])), torch.ones(B, dtype=torch.long)
            enc = maybe_compile(lambda s: dec.cross_kv(model.encode(s)))
            stepf = torch.compile(dec.step, dynamic=False) if static else dec.step
            poss = [torch.tensor([i]) for i in range(L)]
            res = torch.empty(B, L, dtype=torch.long)

            def run():
                kv, tok = enc(src), bos
                for i in range(L):
                    tok = stepf(tok, 0 if static else i, poss[i], kv)
                    res[:, i] = tok
                return res
            got = run().clone()
            # check against decoding without a cache
            ref = bos[:, None]
            for _ in range(L):
                ref = torch.cat([ref, model(src, ref)[:, -1].argmax(-1, keepdim=True)], 1)
            agree = (ref[:, 1:] == got).float().mean().item()
            st = stats(measure(run))
        out.append(dict(case=f"b{B}", **st, sentences_per_s=round(B / st["ms_median"] * 1e3, 2),
                        generated_tokens_per_s=round(B * L / st["ms_median"] * 1e3), agree_uncached=round(agree, 4)))
    return dict(cases=out, src_len=c["S"], gen_len=L)


def run_ops():
    R, out = torch.randn, []

    def grad_case(name, f, leaves, flops=0, bytes_=0):
        if args.case not in name:
            return
        g = torch.randn_like(f())
        ff = maybe_compile(f)

        def step():
            y = ff()
            torch.autograd.grad(y, leaves, g)
        fwd = maybe_compile(f)

        def fonly():
            with torch.no_grad():
                fwd()
        st = stats(measure(step, min_time=1.5))
        sf = stats(measure(fonly, min_time=0.5))
        r = dict(case=name, **st, fwd_ms_median=sf["ms_median"])
        if flops:
            r["gflops"] = round(flops / st["ms_median"] / 1e6, 2)
        out.append(r)

    P = lambda *s: R(*s, requires_grad=True)
    x, w, b = P(1024, 512), P(2048, 512), P(2048)
    grad_case("linear_1024x512x2048", lambda: F.linear(x, w, b), [x, w, b], flops=3 * 2 * 1024 * 512 * 2048)
    s = P(64 * 4 * 64, 64)
    grad_case("softmax_16384x64", lambda: F.softmax(s, -1), [s])
    n, nw, nb = P(4096, 512), P(512), P(512)
    grad_case("layer_norm_4096x512", lambda: F.layer_norm(n, (512,), nw, nb), [n, nw, nb])
    lo, la = P(2048, 8000), torch.randint(0, 8000, (2048,))
    grad_case("cross_entropy_2048x8000_ls0.1", lambda: F.cross_entropy(lo, la, label_smoothing=0.1), [lo])
    e, ids = P(10000, 128), torch.randint(0, 10000, (2048,))
    grad_case("embedding_2048_of_10000x128", lambda: F.embedding(ids, e), [e])
    a = P(1024, 2048)
    grad_case("gelu_erf_1024x2048", lambda: F.gelu(a), [a])
    grad_case("gelu_tanh_1024x2048", lambda: F.gelu(a, approximate="tanh"), [a])
    grad_case("relu_1024x2048", lambda: F.relu(a), [a])
    grad_case("dropout0.1_1024x2048", lambda: F.dropout(a, 0.1, True), [a])
    grad_case("bias_add_residual_1024x2048", lambda: a + b, [a, b])
    if args.mode == "eager":
        for kind, kw in (("fused", dict(fused=True)), ("foreach", dict(foreach=True)), ("plain", dict(foreach=False))):
            for shape_name, shapes in (("1x10M", [(10_000_000,)]), ("40x250k", [(500, 500)] * 40)):
                name = f"adamw_10M_{shape_name}_{kind}"
                if args.case not in name:
                    continue
                ps = [nn.Parameter(R(*sh)) for sh in shapes]
                for p in ps:
                    p.grad = R(*p.shape)
                try:
                    opt = torch.optim.AdamW(ps, lr=1e-3, weight_decay=0.01, **kw)
                    st = stats(measure(opt.step, min_time=1.0))
                except (TypeError, RuntimeError, ValueError) as ex:
                    out.append(dict(case=name, error=str(ex)[:80]))
                    continue
                # param, m, v read+write, grad read = 28 bytes a parameter
                out.append(dict(case=name, **st, gbytes_per_s=round(28e7 / st["ms_median"] / 1e6, 2)))
    return dict(cases=out)


def run_startup():
    walls, rss, imp, stepms = [], [], [], []
    n = max(5, min(args.reps, 9))
    for i in range(n + 1):
        t = time.perf_counter()
        p = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--workload", "W1", "--threads",
                              str(args.threads), "--mode", args.mode, "--startup-child"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = p.stdout.read()
        _, st, ru = os.wait4(p.pid, 0)
        p.returncode = st
        w = time.perf_counter() - t
        child = json.loads(line)
        if i:                                              # the first one warms the page cache
            walls.append(w * 1e3), rss.append(ru.ru_maxrss / 1024)
            imp.append(child["import_s"]), stepms.append(child["build_and_step_s"])
    return dict(**stats(walls), child_peak_rss_mb=round(statistics.median(rss), 1),
                import_s=round(statistics.median(imp), 3), build_and_step_s=round(statistics.median(stepms), 3))


def startup_child():
    t = time.perf_counter()
    *_, step = seq2seq_setup("W1")
    loss = step().item()
    print(json.dumps(dict(import_s=T_IMPORT, build_and_step_s=time.perf_counter() - t, loss=loss)))


# V: words, T: tokens in a sentence, L: layers, B: sentences
GPT_SIZES = {"gpt_small": dict(V=8000, T=64, L=4, h=4, d=128, B=16), "gpt_mid": dict(V=8000, T=128, L=6, h=8, d=512, B=8)}


def run_gpt():
    out = []
    for name, c in GPT_SIZES.items():
        if args.case not in name:
            continue
        model = GPT(c["V"], c["T"], c["L"], c["h"], c["d"]).train()
        ids, lab = (torch.randint(0, c["V"], (c["B"], c["T"])) for _ in range(2))

        def loss_of(ids, lab):
            with autocast():
                logits = model(ids)
            return F.cross_entropy(logits.float().view(-1, c["V"]), lab.view(-1))
        f = maybe_compile(loss_of)
        params = list(model.parameters())
        opt, kind = make_opt(torch.optim.AdamW, params, lr=1e-4, weight_decay=0.0)
        st = stats(measure(make_step(lambda: f(ids, lab), params, opt, 0)))
        fl, tok = gpt_flops(c["V"], c["B"], c["T"], c["L"], c["d"]), c["B"] * c["T"]
        out.append(dict(case=name, **st, tokens_per_s=round(tok / st["ms_median"] * 1e3),
                        gflops=round(fl / st["ms_median"] / 1e6, 2), config=c))
    return dict(cases=out)


MLP_SIZES = {"mlp_64": dict(d=[784, 64, 10], B=64), "mlp_512": dict(d=[784, 512, 512, 10], B=64)}


def run_mlp():
    out = []
    for name, c in MLP_SIZES.items():
        if args.case not in name:
            continue
        d, B = c["d"], c["B"]
        mods = []
        for i in range(len(d) - 1):
            mods += [nn.Linear(d[i], d[i + 1])] + ([nn.ReLU(), nn.Dropout(0.1)] if i < len(d) - 2 else [])
        model = nn.Sequential(*mods).train()
        x, y = torch.rand(B, d[0]), torch.randint(0, d[-1], (B,))
        f = maybe_compile(lambda x, y: F.cross_entropy(model(x), y))
        params = list(model.parameters())
        opt = torch.optim.RMSprop(params, lr=1e-3, alpha=0.9, foreach=True)
        st = stats(measure(make_step(lambda: f(x, y), params, opt, 0), min_time=2))
        fl = 6 * B * sum(a * b for a, b in zip(d, d[1:])) - 2 * B * d[0] * d[1]    # the input needs no gradient
        out.append(dict(case=name, **st, samples_per_s=round(B / st["ms_median"] * 1e3),
                        gflops=round(fl / st["ms_median"] / 1e6, 2), config=c))
    return dict(cases=out)


def main():
    if args.startup_child:
        return startup_child()
    w = args.workload
    runs = {"W4": run_mha, "W5": run_decode, "W6": run_ops, "W7": run_startup, "GPT": run_gpt, "MLP": run_mlp}
    if w not in runs and w not in SEQ2SEQ:
        sys.exit(f"unknown workload {w}")
    isa = inductor_isa()
    res = run_seq2seq(w) if w in SEQ2SEQ else runs[w]()
    head = dict(workload=w, peer="pytorch", version=torch.__version__, threads=args.threads, mode=args.mode,
                dtype=args.dtype, dropout=args.dropout, attn_dropout=args.attn_dropout, pad_mask=args.pad_mask,
                label=args.label, inductor_isa=isa, blas=blas_name(), preload=",".join(map(os.path.basename, os.environ.get("LD_PRELOAD", "").replace(":", " ").split())),
                python=platform.python_version())
    print(json.dumps({**head, **res, "peak_rss_mb": rss_mb()}))


if __name__ == "__main__":
    main()
