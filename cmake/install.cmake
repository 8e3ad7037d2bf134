# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` lays down: both libraries, their headers, pkg-config files and CMake package, the spawner, the
# command, the manual pages, and the samples as text to copy from. Policies that come with Sallyport are in the library.
include(CMakePackageConfigHelpers)
if(NOT TARGET sallyport OR NOT TARGET sallyport_sandboxee)
  return() # PARTIAL TREE
endif()

add_library(sallyport::sallyport ALIAS sallyport)
add_library(sallyport::sandboxee ALIAS sallyport_sandboxee)
set_target_properties(sallyport_sandboxee PROPERTIES EXPORT_NAME sandboxee)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sallyport)
install(TARGETS sallyport sallyport_sandboxee EXPORT sallyport
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/sallyport DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(EXPORT sallyport NAMESPACE sallyport:: FILE sallyportTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/sallyportConfig.cmake.in ${PROJECT_BINARY_DIR}/cmake/sallyportConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/sallyportConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/sallyportConfig.cmake ${PROJECT_BINARY_DIR}/cmake/sallyportConfigVersion.cmake
        DESTINATION ${package_dir})
foreach(name sallyport sallyport-sandboxee)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/cmake/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/cmake/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# broker/ installs the spawner itself.
if(TARGET sallyport-command)
  install(TARGETS sallyport-command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

file(GLOB manuals CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.[1-8])
foreach(manual ${manuals})
  string(REGEX MATCH "[1-8]$" section ${manual})
  install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(DIRECTORY samples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/samples
        FILES_MATCHING PATTERN *.c PATTERN *.policy PATTERN CMakeLists.txt)
install(FILES README.md SECURITY.md LICENSE docs/threat-model.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
