/* exp, tanh, erf and the logistic function, for loops that must vectorise: no branches, no tables, no calls.
 *
 * In the float build these are polynomials; the error bounds below hold for every float (tests/test_k_math.c tries them
 * all), with and without fused multiply-add. NaN gives NaN, infinities give the limits. The double build calls libm.
 *
 *     k_exp      1.1 ulp   0 below -103.98, inf above 88.73, subnormal results rounded as usual
 *     k_tanh     1.5 ulp
 *     k_erf      1.5 ulp
 *     k_sigmoid  2.6 ulp   1 / (1 + exp(-x)); 0 below -88.73
 *
 * Method: W. J. Cody and W. Waite, "Software Manual for the Elementary Functions" (1980), for the reduction of exp;
 * minimax polynomials (Remez) for the rest, fitted for this file. */
#ifndef HEED_K_MATH_H
#define HEED_K_MATH_H

#include "tensor.h"

#include <math.h>
#include <string.h>

#ifdef HEED_DOUBLE

static inline double k_exp(double x)
{
    return exp(x);
}
static inline double k_tanh(double x)
{
    return tanh(x);
}
static inline double k_erf(double x)
{
    return erf(x);
}

#else

/* 2^n, -126 <= n <= 127 */
static inline float k_power_of_two(uint32_t n)
{
    uint32_t bits = (n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln(2) / 2 */
static inline float k_exp(float x)
{
    const float magic = 12582912; /* 1.5 2^23: adding it rounds to an integer, which stands in the low bits */
    float shifted = x * 1.442695041f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f; /* ln 2 in two parts; n times the first, of nine bits, is exact */
    r = r - n * -2.121944401e-4f;
    float p = 1.381446706e-3f;
    p = p * r + 8.368780411e-3f;
    p = p * r + 4.166839421e-2f;
    p = p * r + 1.666652011e-1f;
    p = p * r + 4.999999341e-1f;
    p = p * (r * r) + r;
    p = p + 1;
    uint32_t power;
    memcpy(&power, &shifted, sizeof power);
    power -= 0x4b400000u;                                 /* n as an integer */
    uint32_t half = (power >> 1) | (power & 0x80000000u); /* in two factors: 2^n alone may be out of range */
    p = p * k_power_of_two(half) * k_power_of_two(power - half);
    p = x < -103.972084f ? 0 : p; /* beyond these n is nonsense; at the end, since a clamp of x would be a branch */
    return x > 88.7228394f ? INFINITY : p;
}

/* tanh(x) = x + x^3 P(x^2) near 0, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x */
static inline float k_tanh(float x)
{
    float s = x * x;
    float p = -5.704986961e-3f;
    p = p * s + 2.063908718e-2f;
    p = p * s + -5.373971505e-2f;
    p = p * s + 1.333144220e-1f;
    p = p * s + -3.333328194e-1f;
    float near = x * s * p + x;
    float far = copysignf(1 - 2 / (k_exp(2 * fabsf(x)) + 1), x);
    return s < 0.625f * 0.625f ? near : far;
}

/* erf(x) = x + x P(x^2) up to 1, else 1 - exp(Q(|x|)) with the sign of x; 1 beyond 4 */
static inline float k_erf(float x)
{
    float s = x * x, a = fabsf(x);
    a = a > 4 ? 4 : a;
    float p = 7.853861088e-5f;
    p = p * s + -8.010193533e-4f;
    p = p * s + 5.188327674e-3f;
    p = p * s + -2.685381193e-2f;
    p = p * s + 1.128358515e-1f;
    p = p * s + -3.761262582e-1f;
    p = p * s + 1.283791664e-1f;
    float q = 1.855739340e-4f;
    q = q * a + -2.939606564e-3f;
    q = q * a + 2.180531539e-2f;
    q = q * a + -1.030373627e-1f;
    q = q * a + -6.382256841e-1f;
    q = q * a + -1.127040032f;
    q = q * a + -3.537204703e-4f;
    float near = x * p + x, far = copysignf(1 - k_exp(q), x);
    return s < 1 ? near : far;
}

#endif

static inline heed_real k_sigmoid(heed_real x)
{
    return 1 / (1 + k_exp(-x));
}

#endif
