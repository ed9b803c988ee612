// OUT.h: the C API under a model's own prefix.
#ifndef STC_LIB_DRIVER_CAPIHEADER_H
#define STC_LIB_DRIVER_CAPIHEADER_H

#include <string>

namespace stc {

/// The runtime's C API header with `stc_model_` function names replaced by `prefix`_ and a guard of
/// its own.
std::string capiHeader(const std::string &prefix);

} // namespace stc

#endif // STC_LIB_DRIVER_CAPIHEADER_H
