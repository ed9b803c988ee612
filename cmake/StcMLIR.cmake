# MLIR and LLVM 22, linked as the two shared libraries only, so that type ids exist once.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_LINK_LLVM_DYLIB ON)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# mlir_tablegen reads its include path from the directory; SYSTEM keeps upstream warnings quiet.
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
separate_arguments(STC_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
set(STC_LLVM_TOOLS_DIR ${LLVM_TOOLS_BINARY_DIR})

# One precompiled header serves every MLIR target.
add_library(StcMLIRPch OBJECT ${CMAKE_CURRENT_LIST_DIR}/StcMLIRPch.cpp)
function(stc_configure_mlir_target name)
  target_compile_definitions(${name} PRIVATE ${STC_LLVM_DEFINITIONS})
  target_compile_options(${name} PRIVATE ${STC_WARNINGS} ${STC_SANITIZE_FLAGS} -fno-exceptions
                         -fvisibility-inlines-hidden)
endfunction()
stc_configure_mlir_target(StcMLIRPch)
target_precompile_headers(StcMLIRPch PRIVATE ${CMAKE_CURRENT_LIST_DIR}/StcMLIRPch.h)
# A compiler cache may hold the header of another clone, whose files have other times: without this
# clang refuses it.
target_compile_options(StcMLIRPch PRIVATE "SHELL:-Xclang -fno-pch-timestamp")

# stc_add_mlir_library(Name SOURCES ... LINK ... DEPENDS ...): a library that may use MLIR.
# LINK names our own libraries; DEPENDS names TableGen targets.
function(stc_add_mlir_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  stc_configure_mlir_target(${name})
  target_precompile_headers(${name} REUSE_FROM StcMLIRPch)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# stc_add_tool(name SOURCES ... LINK ...): a command-line tool over our libraries.
function(stc_add_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  stc_configure_mlir_target(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
endfunction()

# stc_add_mlir_unittest(Name SOURCES ... LINK ... [SHARDS n]): a GoogleTest binary over libraries that
# use MLIR.
# The sources form an object library, because executables cannot share the libraries' precompiled
# header.
function(stc_add_mlir_unittest name)
  cmake_parse_arguments(ARG "" "SHARDS" "SOURCES;LINK" ${ARGN})
  add_library(${name}Objects OBJECT ${ARG_SOURCES})
  stc_configure_mlir_target(${name}Objects)
  target_precompile_headers(${name}Objects REUSE_FROM StcMLIRPch)
  target_compile_definitions(${name}Objects PRIVATE STC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}Objects PUBLIC ${ARG_LINK} MLIR LLVM GTest::gtest GTest::gmock)
  add_executable(${name})
  target_link_libraries(${name} PRIVATE ${name}Objects GTest::gtest_main)
  stc_register_unittest(${name} "${ARG_SHARDS}")
endfunction()
