# The runtime and all it depends on in one static archive, so that linking a model needs no more
# than that archive, the C++ library and libc.

# Collects in `result` the static archives that `items` need beyond our own targets.
function(stc_collect_archives result items)
  set(pending ${items})
  set(seen "")
  set(archives "")
  while(pending)
    list(POP_FRONT pending item)
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" item "${item}")
    if(item IN_LIST seen)
      continue()
    endif()
    list(APPEND seen "${item}")
    if(item MATCHES "\\.a$")
      list(APPEND archives ${item})
      continue()
    elseif(NOT TARGET ${item} OR item STREQUAL "Threads::Threads")
      continue() # -l options and the like: part of libc
    endif()
    get_target_property(dependencies ${item} INTERFACE_LINK_LIBRARIES)
    if(dependencies)
      list(APPEND pending ${dependencies})
    endif()
    get_target_property(type ${item} TYPE)
    get_target_property(imported ${item} IMPORTED)
    if(imported AND NOT type STREQUAL "INTERFACE_LIBRARY")
      # Debian describes Abseil's shared libraries; the static ones lie beside them.
      get_target_property(location ${item} LOCATION)
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" location "${location}")
      if(NOT EXISTS ${location})
        message(FATAL_ERROR "no static library for ${item}: expected ${location}")
      endif()
      list(APPEND archives ${location})
    endif()
  endwhile()
  list(REMOVE_DUPLICATES archives)
  set(${result} ${archives} PARENT_SCOPE)
endfunction()

# Sets `result` to `archive`, a copy of which it makes first if that is of a library that Debian compiles
# for executables of its own C library: its references to `stderr` cannot be linked into a shared library
# and go to a variable of the runtime's own (lib/Runtime/Image/StandardError.cpp), and those to arc4random,
# which older C libraries lack, to lib/Runtime/Serve/EventRandom.cpp.
function(stc_shareable_archive result archive)
  set(${result} ${archive} PARENT_SCOPE)
  get_filename_component(name ${archive} NAME)
  if(name MATCHES "^lib(png16|jpeg|event_core|event_extra)\\.a$")
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/shareable-${name})
    add_custom_command(OUTPUT ${copy}
      COMMAND ${CMAKE_OBJCOPY} --redefine-sym stderr=stc_image_stderr
              --redefine-sym arc4random=stc_event_random
              --redefine-sym arc4random_buf=stc_event_random_bytes ${archive} ${copy}
      DEPENDS ${archive} VERBATIM)
    set(${result} ${copy} PARENT_SCOPE)
  endif()
endfunction()

# A second build of `targets` without sanitizers: models are linked without a sanitizer's runtime.
function(stc_add_plain_copy name targets)
  set(sources "")
  foreach(target ${targets})
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(files ${target} SOURCES)
    list(TRANSFORM files PREPEND ${folder}/)
    list(APPEND sources ${files})
  endforeach()
  add_library(${name} STATIC ${sources})
  target_compile_options(${name} PRIVATE ${STC_WARNINGS} -fno-exceptions -ffunction-sections
                         -fdata-sections)
endfunction()

# stc_add_runtime_archive(name targets...): target `name` makes lib/lib<name>.a of our own static
# libraries and everything static they need.
function(stc_add_runtime_archive name)
  set(targets ${ARGN})
  stc_collect_archives(collected "${targets}")
  set(external "")
  foreach(library ${collected})
    stc_shareable_archive(shareable ${library})
    list(APPEND external ${shareable})
  endforeach()
  if(STC_SANITIZE)
    stc_add_plain_copy(StcPlainRuntime "${targets}")
    set(targets StcPlainRuntime)
  endif()
  set(archive ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${name}.a)
  set(script "create lib${name}.a\n")
  foreach(target ${targets})
    # Relative names: the script language has no way to quote a path with spaces.
    string(APPEND script "addlib $<TARGET_FILE_NAME:${target}>\n")
  endforeach()
  foreach(library ${external})
    string(APPEND script "addlib ${library}\n")
  endforeach()
  set(script_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.mri)
  file(GENERATE OUTPUT ${script_file} CONTENT "${script}save\nend\n")
  add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} -M < ${script_file}
    COMMAND ${CMAKE_RANLIB} ${archive}
    DEPENDS ${targets} ${external} ${script_file}
    WORKING_DIRECTORY ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}
    COMMENT "Merging the runtime into lib${name}.a"
    VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${archive})
endfunction()
