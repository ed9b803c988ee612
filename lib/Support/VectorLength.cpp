// How long this processor's vectors of variable length are.
#include "stc/Support/VectorLength.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/prctl.h>
#endif

int64_t stc::sveVectorBits() {
#if defined(__aarch64__) && defined(__linux__)
  // Bytes in the low 16 bits, flags above; negative without SVE.
  constexpr int getVectorLength = 51, lengthMask = 0xFFFF; // PR_SVE_GET_VL, PR_SVE_VL_LEN_MASK
  int answer = prctl(getVectorLength);
  return answer < 0 ? 0 : int64_t(answer & lengthMask) * 8;
#else
  return 0;
#endif
}
