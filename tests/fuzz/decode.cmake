# SPDX-License-Identifier: Apache-2.0
add_executable(decode_fuzz decode_fuzz.cc)
target_link_libraries(decode_fuzz PRIVATE sallyport_flags sallyport_ipc)
