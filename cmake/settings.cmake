# How everything is compiled. What differs between dev, release, asan and tsan is in
# CMakePresets.json; what they share is here.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

find_package(Threads REQUIRED)

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

include_directories("${CMAKE_SOURCE_DIR}")
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
# What __FILE__ shows does not depend on where the checkout lies.
add_compile_options("-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 sees overlapping copies in std::string's operator+ where there are none (PR 105651).
  add_compile_options(-Wno-restrict)
  # Asio's fences, which ThreadSanitizer does not follow; its handlers are ordered by locks as well.
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
    add_compile_options(-Wno-tsan)
  endif()
  # Sanitizers make it lose track of what std::optional and std::variant have initialised.
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()

find_program(PANNIER_CCACHE ccache)
if(PANNIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${PANNIER_CCACHE}")
endif()
find_program(PANNIER_MOLD mold)
if(PANNIER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
