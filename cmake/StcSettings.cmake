# Compiler flags of our own code: warnings are errors, and sanitizers on request.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(STC_CCACHE ccache)
if(STC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache accepts clang precompiled headers only with these sloppiness flags.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      ${STC_CCACHE})
endif()

set(STC_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter -Wnon-virtual-dtor
    -Woverloaded-virtual -Wimplicit-fallthrough)

set(STC_SANITIZE_FLAGS "")
if(STC_SANITIZE)
  set(STC_SANITIZE_FLAGS -fsanitize=${STC_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${STC_SANITIZE})
endif()
