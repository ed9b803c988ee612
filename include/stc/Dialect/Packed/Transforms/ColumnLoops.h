// How loops over the columns of a row are marked.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_COLUMNLOOPS_H
#define STC_DIALECT_PACKED_TRANSFORMS_COLUMNLOOPS_H

#include "llvm/ADT/StringRef.h"

namespace stc {

/// On a scf.for over columns whose iterations may run in any order, or at once.
constexpr llvm::StringLiteral kColumnsAttr = "packed.columns";

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_COLUMNLOOPS_H
