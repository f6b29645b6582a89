/* heed: a minimal autograd training framework. One include for all rooms; each room's header is its manual.
 *
 *     tensor -> autograd -> layers -> train, text, inspect
 *
 * A room includes only rooms to its left; train, text and inspect do not know one another. */
#ifndef HEED_H
#define HEED_H

#include "tensor/tensor.h"
#include "autograd/autograd.h"
#include "layers/layers.h"
#include "train/train.h"
#include "text/text.h"
#include "inspect/inspect.h"

#endif
