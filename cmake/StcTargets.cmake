# One function per kind of target, so that every folder's CMakeLists stays a list of files.

# stc_add_library(Name SOURCES ... LINK ...): a floor-0 static library, without LLVM.
function(stc_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${STC_WARNINGS} ${STC_SANITIZE_FLAGS} -fno-exceptions
                         -ffunction-sections -fdata-sections)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# stc_register_unittest(Name SHARDS): ctest runs the binary, in so many processes. Not one for each case:
# starting thousands of processes took longer than what most of them test.
function(stc_register_unittest name shards)
  if(NOT shards)
    set(shards 1)
  endif()
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    math(EXPR number "${shard} + 1")
    set(test ${name})
    if(shards GREATER 1)
      set(test ${name}.${number}of${shards})
    endif()
    add_test(NAME ${test} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${test} PROPERTIES LABELS unit TIMEOUT 1800
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# The libraries' headers that every unit test takes, precompiled; and code of tests is compiled in less
# time than it would save.
set(STC_TEST_OPTIONS ${STC_WARNINGS} ${STC_SANITIZE_FLAGS} $<$<CONFIG:Release>:-O1>)
if(STC_BUILD_TESTS)
  add_library(StcTestPch OBJECT ${CMAKE_SOURCE_DIR}/cmake/StcTestPch.cpp)
  target_link_libraries(StcTestPch PRIVATE GTest::gtest GTest::gmock)
  target_compile_options(StcTestPch PRIVATE ${STC_TEST_OPTIONS} "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(StcTestPch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/StcTestPch.h)
endif()

# stc_add_unittest(Name SOURCES ... LINK ... [SHARDS n]): a GoogleTest binary known to ctest.
function(stc_add_unittest name)
  cmake_parse_arguments(ARG "" "SHARDS" "SOURCES;LINK" ${ARGN})
  add_library(${name}Objects OBJECT ${ARG_SOURCES})
  target_compile_options(${name}Objects PRIVATE ${STC_TEST_OPTIONS})
  target_precompile_headers(${name}Objects REUSE_FROM StcTestPch)
  target_compile_definitions(${name}Objects PRIVATE STC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}Objects PUBLIC ${ARG_LINK} GTest::gtest GTest::gmock)
  add_executable(${name})
  target_link_libraries(${name} PRIVATE ${name}Objects GTest::gtest_main)
  stc_register_unittest(${name} "${ARG_SHARDS}")
endfunction()
