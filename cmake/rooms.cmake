# Rooms: a folder, a static library and a test binary each, with neighbours that are checked.

# pannier_allow(<room> IN <path>... [USES <room>...]): the room's line in the root CMakeLists.txt.
function(pannier_allow room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "IN;USES")
  list(GET arg_IN 0 path)
  string(REGEX REPLACE "/.*" "" tree "${path}")
  foreach(used IN LISTS arg_USES)
    get_property(used_tree GLOBAL PROPERTY PANNIER_TREE_${used})
    if(NOT used_tree)
      message(FATAL_ERROR "Room ${room} may not use ${used}, which is not printed above it.")
    elseif(NOT used_tree STREQUAL tree AND NOT used_tree STREQUAL "common"
           AND NOT tree MATCHES "^(tests|bench)$")
      message(FATAL_ERROR "Room ${room} is in ${tree}/ and may not use ${used} in ${used_tree}/.")
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY PANNIER_TREE_${room} "${tree}")
  set_property(GLOBAL PROPERTY PANNIER_USES_${room} "${arg_USES}")
endfunction()

# pannier_room(<room> [SOURCES <file>...] [USES <room>...] [LINKS <library>...]): the library
# pannier_<room>. A room without sources yet, headers only, is an interface library.
function(pannier_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES;LINKS")
  get_property(tree GLOBAL PROPERTY PANNIER_TREE_${room})
  get_property(allowed GLOBAL PROPERTY PANNIER_USES_${room})
  if(NOT tree)
    message(FATAL_ERROR "Room ${room} has no pannier_allow line in the root CMakeLists.txt.")
  endif()
  foreach(used IN LISTS arg_USES)
    if(NOT used IN_LIST allowed)
      message(FATAL_ERROR "Room ${room} may not use ${used}: its line in the root CMakeLists.txt "
        "allows only [${allowed}].")
    endif()
  endforeach()

  if(arg_SOURCES)
    add_library(pannier_${room} STATIC ${arg_SOURCES})
    set(visibility PUBLIC)
  else()
    add_library(pannier_${room} INTERFACE)
    set(visibility INTERFACE)
  endif()
  list(TRANSFORM arg_USES PREPEND pannier_)
  target_link_libraries(pannier_${room} ${visibility} ${arg_USES} ${arg_LINKS} Threads::Threads)
endfunction()

# pannier_program(<name> SOURCES <file>... USES <room>... [LINKS <library>...]): a program, placed
# at the top of the build folder.
function(pannier_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES;LINKS")
  list(TRANSFORM arg_USES PREPEND pannier_)
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_USES} ${arg_LINKS})
endfunction()

# pannier_test(<room> [THREADS] [SOURCES <file>...] [USES <room>...] [LINKS <library>...]): the one test binary
# of a room, <room>_test, which links the room and what else it uses (any room: tests may). Its
# tests are labelled <room>, or dataplane-<room> where the sanitizers run them too, so that
# `ctest -L <room>` and `ctest -L dataplane` both choose. One label: discovery would split two.
# THREADS adds -threads: the room's tests start some, or its code runs on several. All others are
# state machines on one thread (docs/decisions/0001), where ThreadSanitizer has nothing to find.
function(pannier_test room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "THREADS" "" "SOURCES;USES;LINKS")
  if(NOT arg_SOURCES)
    return()
  endif()
  list(PREPEND arg_USES ${room})
  list(TRANSFORM arg_USES PREPEND pannier_)
  add_executable(${room}_test ${arg_SOURCES})
  target_link_libraries(${room}_test PRIVATE
    ${arg_USES} ${arg_LINKS} GTest::gmock GTest::gtest_main)
  # Lines, not variables: a third less time to compile, and a quarter of the size.
  target_compile_options(${room}_test PRIVATE -g1)
  # The checks of pointers are for what is tested: in the tests' own code they more than double the
  # time to compile.
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address")
    target_compile_options(${room}_test PRIVATE -O0 -fno-sanitize=null,alignment,object-size)
  endif()
  set_target_properties(${room}_test PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")

  set(label ${room})
  get_property(tree GLOBAL PROPERTY PANNIER_TREE_${room})
  if(tree MATCHES "^(common|sidecar|tests)$")
    set(label dataplane-${room})
    set_property(GLOBAL APPEND PROPERTY PANNIER_DATAPLANE_TESTS ${room}_test)
    if(arg_THREADS)
      string(APPEND label "-threads")
      set_property(GLOBAL APPEND PROPERTY PANNIER_THREADS_TESTS ${room}_test)
    endif()
  endif()
  gtest_discover_tests(${room}_test DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${label})
endfunction()

# The targets dataplane_tests and threads_tests build what carries the labels; call it once, after
# the last room.
function(pannier_dataplane_target)
  get_property(tests GLOBAL PROPERTY PANNIER_DATAPLANE_TESTS)
  add_custom_target(dataplane_tests DEPENDS ${tests})
  get_property(tests GLOBAL PROPERTY PANNIER_THREADS_TESTS)
  add_custom_target(threads_tests DEPENDS ${tests})
endfunction()
