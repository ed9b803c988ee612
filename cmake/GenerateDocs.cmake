# Writes or checks the documentation that comes from TableGen and from stc-models (run with cmake -P).
#   SOURCE_DIR: this repository     TBLGEN: mlir-tblgen     INCLUDES: MLIR's include folder
#   MODELS: stc-models
#   CHECK: ON compares with what is there and fails on a difference, OFF writes
cmake_minimum_required(VERSION 3.25)
set(stale "")

# Compares or writes docs/NAME, made by `mlir-tblgen ARGN`, with an optional HEADING.
function(stc_doc name heading)
  execute_process(COMMAND ${TBLGEN} ${ARGN} -I ${SOURCE_DIR}/include -I ${INCLUDES}
                  OUTPUT_VARIABLE text RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "mlir-tblgen failed on docs/${name}")
  endif()
  # The mark for a table of contents is plain text to most readers of Markdown.
  string(REPLACE "[TOC]\n\n" "" text "${text}")
  if(heading)
    string(REPLACE "manually edit -->\n" "manually edit -->\n\n# ${heading}\n" text "${text}")
  endif()
  stc_page(${name} "${text}")
  set(known ${known} PARENT_SCOPE)
  set(stale "${stale}" PARENT_SCOPE)
endfunction()

# Compares or writes docs/NAME.
function(stc_page name text)
  string(REGEX REPLACE "\n+$" "\n" text "${text}")
  set(path ${SOURCE_DIR}/docs/${name})
  set(known ${known} ${path} PARENT_SCOPE)
  set(old "")
  if(EXISTS ${path})
    file(READ ${path} old)
  endif()
  if(NOT old STREQUAL text)
    if(CHECK)
      set(stale "${stale} docs/${name}" PARENT_SCOPE)
    else()
      file(WRITE ${path} "${text}")
      message(STATUS "wrote docs/${name}")
    endif()
  endif()
endfunction()

set(known "")
execute_process(COMMAND ${MODELS} OUTPUT_VARIABLE models RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "stc-models failed")
endif()
stc_page(Models.md "${models}")
stc_doc(Dialects/STC.md "" -gen-dialect-doc -dialect=stc
        ${SOURCE_DIR}/include/stc/Dialect/STC/IR/STCOps.td)
stc_doc(Dialects/Packed.md "" -gen-dialect-doc -dialect=packed
        ${SOURCE_DIR}/include/stc/Dialect/Packed/IR/PackedOps.td)
stc_doc(Dialects/StableHLO.md "" -gen-dialect-doc -dialect=stablehlo
        ${SOURCE_DIR}/include/stc/Dialect/StableHLO/IR/StableHLOOps.td)
stc_doc(Dialects/CHLO.md "" -gen-dialect-doc -dialect=chlo
        ${SOURCE_DIR}/include/stc/Dialect/StableHLO/IR/CHLOOps.td)
file(GLOB_RECURSE passes RELATIVE ${SOURCE_DIR}/include/stc ${SOURCE_DIR}/include/stc/*/Passes.td)
foreach(file ${passes})
  string(REGEX REPLACE "/Passes.td$" "" folder ${file})
  string(REGEX REPLACE "^Dialect/|/" "" name ${folder})
  stc_doc(Passes/${name}.md "Passes of lib/${folder}" -gen-pass-doc
          ${SOURCE_DIR}/include/stc/${file})
endforeach()

# A page whose source is gone would tell of passes that do not exist.
file(GLOB pages ${SOURCE_DIR}/docs/Dialects/*.md ${SOURCE_DIR}/docs/Passes/*.md)
foreach(page ${pages})
  if(NOT page IN_LIST known)
    if(CHECK)
      file(RELATIVE_PATH page ${SOURCE_DIR} ${page})
      set(stale "${stale} ${page}")
    else()
      file(REMOVE ${page})
    endif()
  endif()
endforeach()
if(stale)
  message(FATAL_ERROR "out of date, run `ninja stc-docs`:${stale}")
endif()
