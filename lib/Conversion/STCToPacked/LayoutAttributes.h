// Names of the attributes that carry a choice of layout from pass to pass.
#ifndef LIB_CONVERSION_STCTOPACKED_LAYOUTATTRIBUTES_H
#define LIB_CONVERSION_STCTOPACKED_LAYOUTATTRIBUTES_H

namespace stc {

/// From stc-select-layouts to convert-stc-to-packed.
constexpr const char kLayoutAttribute[] = "packed.layout";
constexpr const char kReasonAttribute[] = "packed.reason";
constexpr const char kPatternAttribute[] = "packed.pattern";

} // namespace stc

#endif // LIB_CONVERSION_STCTOPACKED_LAYOUTATTRIBUTES_H
