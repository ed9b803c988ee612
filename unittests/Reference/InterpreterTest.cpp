// Single operations and bad input through the interpreter.
#include "Helpers.h"
