// The random numbers that libevent's resolver would take from arc4random, which C libraries have
// only since glibc 2.36: model binaries run with older ones too. The archive of the runtime has
// libevent's references to those functions redirected here (cmake/StcRuntimeArchive.cmake).
#include <cstddef>
#include <cstdint>
#include <sys/random.h>

extern "C" void stc_event_random_bytes(void *bytes, size_t count) {
  // Nothing of libevent's that a server uses asks for any: names are not resolved by it.
  (void)!getrandom(bytes, count, 0);
}

extern "C" uint32_t stc_event_random() {
  uint32_t number = 0;
  stc_event_random_bytes(&number, sizeof(number));
  return number;
}
