# SPDX-License-Identifier: Apache-2.0
add_executable(questions_fuzz questions_fuzz.cc)
target_link_libraries(questions_fuzz PRIVATE sallyport_policy sallyport_rules sallyport_ipc sallyport_flags)
