// Whether tests run under AddressSanitizer, which ends a program that asks for memory there is not.
#ifndef STC_UNITTESTS_SUPPORT_ADDRESSSANITIZER_H
#define STC_UNITTESTS_SUPPORT_ADDRESSSANITIZER_H

namespace stc::test {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool hasAddressSanitizer = true;
#else
constexpr bool hasAddressSanitizer = false;
#endif
#else
constexpr bool hasAddressSanitizer = false;
#endif

} // namespace stc::test

#endif // STC_UNITTESTS_SUPPORT_ADDRESSSANITIZER_H
