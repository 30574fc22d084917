# Finds what we borrow, and names the Debian package of what is missing: all of it in one message.

# pannier_need(<Debian package> <name> [version]): as find_package. A macro, since find_package
# leaves variables behind that its caller needs.
macro(pannier_need package)
  find_package(${ARGN} QUIET)
  if(NOT ${ARGV1}_FOUND)
    set_property(GLOBAL APPEND PROPERTY PANNIER_MISSING ${package})
  endif()
endmacro()

# pannier_need_module(<Debian package> <module>): by pkg-config; gives the target PkgConfig::<module>.
macro(pannier_need_module package module)
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(${module} QUIET IMPORTED_TARGET ${module})
  else()
    set_property(GLOBAL APPEND PROPERTY PANNIER_MISSING pkg-config)
  endif()
  if(NOT ${module}_FOUND)
    set_property(GLOBAL APPEND PROPERTY PANNIER_MISSING ${package})
  endif()
endmacro()

function(pannier_check_needs)
  get_property(missing GLOBAL PROPERTY PANNIER_MISSING)
  if(NOT missing)
    return()
  endif()
  list(REMOVE_DUPLICATES missing)
  list(JOIN missing " " names)
  message(FATAL_ERROR "Missing Debian packages: ${names}\n"
    "`./dev deps` installs everything that Pannier needs; for these alone:\n"
    "  apt-get install --no-install-recommends ${names}\n")
endfunction()
