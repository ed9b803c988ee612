// What the libraries that decode images know as stderr: see cmake/StcRuntimeArchive.cmake. They print
// nothing, as their messages become errors.
#include <cstdio>

extern "C" {
FILE *stc_image_stderr = stderr;
}
