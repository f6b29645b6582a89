/* Both halves in one program: each library computes in its own precision. */
#include <stdio.h>

double float_half(void);
double double_half(void);

int main(void)
{
    double low = float_half(), high = double_half();
    printf("%.17g %.17g\n", low, high);
    return low == (double)(1.0f / 3.0f) && high == 1.0 / 3.0 ? 0 : 1;
}
