// stc: the compiler's command line.
#include "stc/Driver/Driver.h"

int main(int argc, char **argv) { return stc::driverMain(argc, argv); }
