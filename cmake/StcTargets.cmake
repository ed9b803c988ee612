# One function per kind of target, so that every folder's CMakeLists stays a list of files.

# stc_add_library(Name SOURCES ... LINK ...): a floor-0 static library, without LLVM.
function(stc_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${STC_WARNINGS} ${STC_SANITIZE_FLAGS} -fno-exceptions
                         -ffunction-sections -fdata-sections)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# stc_add_unittest(Name SOURCES ... LINK ...): a GoogleTest binary, each case known to ctest.
function(stc_add_unittest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${STC_WARNINGS} ${STC_SANITIZE_FLAGS})
  target_compile_definitions(${name} PRIVATE STC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main GTest::gmock)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit)
endfunction()
