# SPDX-License-Identifier: Apache-2.0
# sallyport_protobuf_c(TARGET FILE.proto): generates FILE.pb-c.[ch] below the build tree, at the same relative place, into
# an object library TARGET. Generated code is compiled without our warnings.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_GEN_C protoc-gen-c REQUIRED)
function(sallyport_protobuf_c target proto)
  file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto})
  string(REGEX REPLACE "\\.proto$" "" stem ${relative})
  set(source ${PROJECT_BINARY_DIR}/${stem}.pb-c.c)
  add_custom_command(
    OUTPUT ${source} ${PROJECT_BINARY_DIR}/${stem}.pb-c.h
    COMMAND ${PROTOC} --c_out=${PROJECT_BINARY_DIR} -I${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/${relative}
    DEPENDS ${proto} VERBATIM)
  add_library(${target} OBJECT ${source})
  target_include_directories(${target} PUBLIC ${PROJECT_BINARY_DIR})
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C)
  set_target_properties(${target} PROPERTIES C_CLANG_TIDY "")
endfunction()
