// What the library calls of Node.js and its event loop, libuv. Node.js has all of it, and nobody
// else: elsewhere these functions are null.
#pragma once

#include <cstddef>
#include <cstdint>

// As in node_api.h and uv.h, whose versions never change a function.
extern "C" {

using napi_env = struct napi_env__*;
using napi_value = struct napi_value__*;
using napi_ref = struct napi_ref__*;
using napi_handle_scope = struct napi_handle_scope__*;
using napi_callback_info = struct napi_callback_info__*;
using napi_async_context = struct napi_async_context__*;
using napi_async_cleanup_hook_handle = struct napi_async_cleanup_hook_handle__*;
using napi_callback = napi_value (*)(napi_env, napi_callback_info);
using napi_async_cleanup_hook = void (*)(napi_async_cleanup_hook_handle, void*);
enum napi_status : int { napi_ok = 0, napi_pending_exception = 10 };
using uv_loop_t = struct uv_loop_s;
using uv_handle_t = struct uv_handle_s;
using uv_poll_cb = void (*)(uv_handle_t*, int status, int events);
using uv_close_cb = void (*)(uv_handle_t*);

[[gnu::weak]] napi_status napi_create_function(napi_env, const char* name, std::size_t length,
                                               napi_callback, void* data, napi_value* result);
[[gnu::weak]] napi_status napi_set_named_property(napi_env, napi_value object, const char* name,
                                                  napi_value);
[[gnu::weak]] napi_status napi_get_cb_info(napi_env, napi_callback_info, std::size_t* count,
                                           napi_value* arguments, napi_value* self, void** data);
[[gnu::weak]] napi_status napi_get_value_bigint_uint64(napi_env, napi_value, std::uint64_t* result,
                                                       bool* lossless);
[[gnu::weak]] napi_status napi_get_global(napi_env, napi_value* result);
[[gnu::weak]] napi_status napi_throw_error(napi_env, const char* code, const char* message);
[[gnu::weak]] napi_status napi_create_reference(napi_env, napi_value, std::uint32_t count,
                                                napi_ref* result);
[[gnu::weak]] napi_status napi_get_reference_value(napi_env, napi_ref, napi_value* result);
[[gnu::weak]] napi_status napi_delete_reference(napi_env, napi_ref);
[[gnu::weak]] napi_status napi_open_handle_scope(napi_env, napi_handle_scope* result);
[[gnu::weak]] napi_status napi_close_handle_scope(napi_env, napi_handle_scope);
[[gnu::weak]] napi_status napi_make_callback(napi_env, napi_async_context, napi_value self,
                                             napi_value function, std::size_t count,
                                             const napi_value* arguments, napi_value* result);
[[gnu::weak]] napi_status napi_get_and_clear_last_exception(napi_env, napi_value* result);
[[gnu::weak]] napi_status napi_fatal_exception(napi_env, napi_value error);
[[gnu::weak]] napi_status napi_add_async_cleanup_hook(napi_env, napi_async_cleanup_hook, void* data,
                                                      napi_async_cleanup_hook_handle* result);
[[gnu::weak]] napi_status napi_remove_async_cleanup_hook(napi_async_cleanup_hook_handle);
[[gnu::weak]] napi_status napi_get_uv_event_loop(napi_env, uv_loop_t** result);
[[gnu::weak]] std::size_t uv_handle_size(int type);
[[gnu::weak]] void* uv_handle_get_data(const uv_handle_t*);
[[gnu::weak]] void uv_handle_set_data(uv_handle_t*, void* data);
[[gnu::weak]] int uv_poll_init(uv_loop_t*, uv_handle_t*, int fd);
[[gnu::weak]] int uv_poll_start(uv_handle_t*, int events, uv_poll_cb);
[[gnu::weak]] void uv_unref(uv_handle_t*);
[[gnu::weak]] int uv_is_closing(const uv_handle_t*);
[[gnu::weak]] void uv_close(uv_handle_t*, uv_close_cb);

}  // extern "C"

constexpr int uv_type_poll = 8;  // UV_POLL
constexpr int uv_readable = 1;   // UV_READABLE
