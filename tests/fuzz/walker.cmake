# SPDX-License-Identifier: Apache-2.0
add_executable(walker_fuzz walker_fuzz.cc)
target_link_libraries(walker_fuzz PRIVATE sallyport_calls sallyport_rules sallyport_ipc sallyport_flags)
