/* A program outside the tree, against an installed heed: the same text is C11 and C++20, float and double. */
#include <heed.h>

int main(void)
{
    heed_tape_desc desc = { .seed = 1 };
    heed_tape *tape = heed_tape_new(desc);
    const heed_real numbers[] = { 1, 2, 3 };
    heed_var *a = heed_leaf(tape, HEED_SHAPE(3), numbers);
    heed_var *loss = heed_sum(heed_mul(a, a), HEED_AXES(0));
    if (!heed_backward(loss)) {
        fprintf(stderr, "%s\n", heed_error());
        return 1;
    }
    printf("%s %d %g\n", heed_version(), (int)sizeof(heed_real), (double)heed_grad(a).data[2]);
    heed_tape_free(tape);
    return 0;
}
