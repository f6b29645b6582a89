/* Times heed on one workload: bench.h. bench/run.sh compares it with the peers found on the machine. */
#include "bench.h"

static const bench_workload workloads[] = {
    { "W1", "training step of a toy translator: d 64, 2+2 layers, 64 x 12+12 tokens", run_seq2seq, false, true },
    { "W2", "of Transformer-Tiny: d 128, 4+4 layers, 10000 words, 128 x 16+16 tokens", run_seq2seq, false, true },
    { "W3", "of Transformer-base: d 512, 6+6 layers, 8000 words, 32 x 32+32 tokens", run_seq2seq, false, true },
    { "W4", "multi-head self-attention, forward and backward", run_attention, true, true },
    { "W5", "greedy decoding with a cache: W2's model, 16 words to 32", run_decode, true, false },
    { "W6", "single operations, forward and backward", run_ops, true, false },
    { "W7", "from the start of a process to the end of its first W1 step", run_startup, false, false },
    { "GPT", "training step of a decoder-only model", run_gpt, true, false },
    { "MLP", "training step of a perceptron", run_mlp, true, false },
    { .name = NULL },
};

int main(int argc, char **argv)
{
    bench_options options;
    const bench_workload *workload = bench_options_read(&options, argc, argv, workloads);
    json_t *report = json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:f}", "workload", workload->name, "peer", "heed",
                               "version", heed_version(), "gemm", bench_gemm_name(&options), "threads", options.threads,
                               "dropout", options.dropout, "attn_dropout", options.attention_dropout);
    if (!report)
        die("out of memory");
    workload->run(&options, report);
    bench_print(&options, report);
    json_decref(report);
    return 0;
}
