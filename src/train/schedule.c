/* Learning rates as pure functions of the step: nothing to save, nothing to resume.
 *
 * A step or a length outside its range gives NaN and an error; an optimiser refuses NaN as a rate. */
#include <math.h>

#include "train.h"

static double bad(const char *who, const char *what, int64_t got, const char *range)
{
    heed_fail(HEED_BAD_ARGUMENT, "%s: %s is %lld, want %s", who, what, (long long)got, range);
    return (double)NAN;
}

double heed_schedule_noam(int64_t step, int64_t d_model, int64_t warmup, double factor)
{
    static const char who[] = "schedule_noam";
    if (step < 1)
        return bad(who, "step", step, "1 or more (it counts from 1)");
    if (d_model < 1)
        return bad(who, "d_model", d_model, "1 or more");
    if (warmup < 0)
        return bad(who, "warmup", warmup, "0 or more");
    double at = (double)step;
    return factor * pow((double)d_model, -0.5) * fmin(pow(at, -0.5), at * pow((double)warmup, -1.5));
}

double heed_schedule_inverse_sqrt(int64_t step, double base, int64_t warmup)
{
    static const char who[] = "schedule_inverse_sqrt";
    if (warmup < 0)
        return bad(who, "warmup", warmup, "0 or more");
    if (step < 0 || (step == 0 && warmup == 0))
        return bad(who, "step", step, warmup == 0 ? "1 or more (without warm-up it counts from 1)" : "0 or more");
    if (step < warmup)
        return base * (double)step / (double)warmup;
    return warmup == 0 ? base / sqrt((double)step) : base * sqrt((double)warmup / (double)step);
}

double heed_schedule_cosine(int64_t step, double base, double least, int64_t warmup, int64_t total)
{
    static const char who[] = "schedule_cosine";
    static const double pi = 3.14159265358979323846;
    if (step < 0)
        return bad(who, "step", step, "0 or more (it counts from 0)");
    if (warmup < 0)
        return bad(who, "warmup", warmup, "0 or more");
    if (total < warmup)
        return bad(who, "total", total, "at least the warm-up's length");
    if (step < warmup)
        return base * (double)step / (double)warmup;
    if (step >= total)
        return least;
    double gone = (double)(step - warmup) / (double)(total - warmup);
    return least + (base - least) * (1 + cos(pi * gone)) / 2;
}
