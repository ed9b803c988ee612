# Third-party libraries of floor 0, as Debian packages them.
find_package(absl REQUIRED)
find_package(Threads REQUIRED)
find_package(simdjson REQUIRED)
find_package(nlohmann_json REQUIRED)
find_library(STC_PCRE2 NAMES libpcre2-8.a REQUIRED)
find_library(STC_UTF8PROC NAMES libutf8proc.a REQUIRED)
find_library(STC_XXHASH NAMES libxxhash.a REQUIRED)
find_library(STC_PNG NAMES libpng16.a REQUIRED)
find_library(STC_JPEG NAMES libjpeg.a REQUIRED)
find_library(STC_ZLIB NAMES libz.a REQUIRED)
find_library(STC_EVENT_CORE NAMES libevent_core.a REQUIRED)
find_library(STC_EVENT_EXTRA NAMES libevent_extra.a REQUIRED)
# The variant without threads of its own: parallelFor splits the work, in pieces that do not depend
# on the number of threads, so that results do not either. Static, because Debian's variants share
# one file name at run time.
find_library(STC_OPENBLAS NAMES libopenblas.a PATH_SUFFIXES openblas-serial REQUIRED)
find_path(STC_OPENBLAS_INCLUDE NAMES cblas.h PATH_SUFFIXES openblas-serial REQUIRED)
if(STC_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
