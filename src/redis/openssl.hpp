// OpenSSL, loaded when a connection needs it.
//
// Linking with it would cost each start of the command 3.3 million instructions of the dynamic
// linker; the whole command takes 0.9 million.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace dlock::redis {

/// The functions that dlock uses, under their own names.
struct OpenSsl {
  // clang-format off: one a line
#define DLOCK_OPENSSL_FUNCTIONS(each) \
  each(BIO_clear_flags) \
  each(BIO_get_data) \
  each(BIO_get_new_index) \
  each(BIO_meth_new) \
  each(BIO_meth_set_ctrl) \
  each(BIO_meth_set_read) \
  each(BIO_meth_set_write) \
  each(BIO_new) \
  each(BIO_set_data) \
  each(BIO_set_flags) \
  each(BIO_set_init) \
  each(ERR_clear_error) \
  each(ERR_get_error) \
  each(ERR_reason_error_string) \
  each(OPENSSL_init_ssl) \
  each(SSL_CTX_ctrl) \
  each(SSL_CTX_free) \
  each(SSL_CTX_load_verify_locations) \
  each(SSL_CTX_new) \
  each(SSL_CTX_set_default_passwd_cb) \
  each(SSL_CTX_set_default_verify_paths) \
  each(SSL_CTX_set_options) \
  each(SSL_CTX_use_PrivateKey_file) \
  each(SSL_CTX_use_certificate_chain_file) \
  each(SSL_connect) \
  each(SSL_ctrl) \
  each(SSL_free) \
  each(SSL_get0_param) \
  each(SSL_get_error) \
  each(SSL_get_verify_result) \
  each(SSL_new) \
  each(SSL_read_ex) \
  each(SSL_set_bio) \
  each(SSL_set_verify) \
  each(SSL_write_ex) \
  each(TLS_client_method) \
  each(X509_VERIFY_PARAM_set1_host) \
  each(X509_VERIFY_PARAM_set1_ip_asc) \
  each(X509_verify_cert_error_string)
// clang-format on
#define DLOCK_DECLARE(name) decltype(&::name) name;  // NOLINT(bugprone-macro-parentheses): a name
  DLOCK_OPENSSL_FUNCTIONS(DLOCK_DECLARE)
#undef DLOCK_DECLARE
};

/// Thread-safe. Throws `UsageError` if this machine has no OpenSSL 3.
[[nodiscard]] const OpenSsl& openssl();

}  // namespace dlock::redis
