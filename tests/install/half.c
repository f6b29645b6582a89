/* One half of a program that holds both libraries: compiled twice, as FUNCTION=float_half with libheed and as
 * FUNCTION=double_half with libheed64. Returns 1 / 3 rounded by the library's number type, or 0 if the call failed. */
#include <heed.h>

double FUNCTION(void);

double FUNCTION(void)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    heed_var *one = heed_input(tape, HEED_SHAPE(1), (const heed_real[]){ 1 });
    heed_var *three = heed_input(tape, HEED_SHAPE(1), (const heed_real[]){ 3 });
    heed_var *third = heed_div(one, three);
    double result = third ? (double)third->value.data[0] : 0;
    heed_tape_free(tape);
    return result;
}
