// HttpServer: requests and answers over HTTP, within limits, on cpp-httplib.
#include "cli/serve/http_server.hpp"

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/background_thread.hpp"

namespace dlock::cli {

namespace {

// The answers are about this moment, show no assets but their own, and appear in no other page.
constexpr std::pair<const char*, const char*> safe_headers[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
};

// A fixed number of threads. When all are busy, `enqueue` waits, so that no more is accepted.
class Workers : public httplib::TaskQueue {
 public:
  explicit Workers(std::size_t count) : idle_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.push_back(runtime::background_thread([this] { work(); }));
    }
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock hold{mutex_};
    changed_.wait(hold, [this] { return idle_ > 0; });
    --idle_;
    task_ = std::move(task);
    changed_.notify_all();
    changed_.wait(hold, [this] { return !task_; });
  }

  void shutdown() override {
    {
      const std::lock_guard hold{mutex_};
      is_over_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

 private:
  void work() {
    std::unique_lock hold{mutex_};
    for (;;) {
      changed_.wait(hold, [this] { return task_ || is_over_; });
      if (!task_) return;
      const auto task = std::exchange(task_, nullptr);
      changed_.notify_all();
      hold.unlock();
      task();
      hold.lock();
      ++idle_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t idle_;
  std::function<void()> task_;
  bool is_over_ = false;
  std::vector<std::thread> threads_;
};

HttpRequest request_of(const httplib::Request& request) {
  return {.method = request.method,
          .path = request.path,
          .parameter = [&request](const std::string& name) -> std::optional<std::string> {
            if (!request.has_param(name)) return std::nullopt;
            return request.get_param_value(name);
          },
          .header = [&request](const std::string& name) { return request.get_header_value(name); }};
}

}  // namespace

struct HttpServer::Impl {
  Handler handler;
  httplib::Server server{};
  std::thread thread{};
  std::atomic<bool> is_over = false;
  std::atomic<std::size_t> streams = 0;

  void answer(const httplib::Request& request, httplib::Response& response) {
    auto answer = handler(request_of(request));
    for (const auto& [name, value] : safe_headers) response.set_header(name, value);
    response.status = answer.status;
    if (!answer.stream) {
      response.set_content(answer.body, answer.type);
    } else if (streams.fetch_add(1) < max_streams) {
      stream(response, std::move(answer));
    } else {
      --streams;
      response.status = 503;
      response.set_content("too many streams\n", "text/plain; charset=utf-8");
    }
  }

  void stream(httplib::Response& response, HttpAnswer answer) {
    response.set_chunked_content_provider(
        answer.type,
        [this, next = std::move(answer.stream)](std::size_t, httplib::DataSink& sink) {
          const auto part = is_over ? std::nullopt : next();
          if (!part) {
            sink.done();
            return true;
          }
          return part->empty() || sink.write(part->data(), part->size());
        },
        [this](bool) { --streams; });
  }
};

HttpServer::HttpServer(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {
  auto& server = impl_->server;
  server.new_task_queue = [] { return new Workers{max_requests + max_streams}; };
  server.set_keep_alive_max_count(1);  // what is left of a request is not taken for another one
  server.set_read_timeout(std::chrono::seconds{2});
  server.set_write_timeout(std::chrono::seconds{5});
  server.set_payload_max_length(1024);
  server.set_tcp_nodelay(true);
  // Not SO_REUSEPORT, by which a second server would take half of the connections.
  server.set_socket_options([](int socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_pre_routing_handler([this](const auto& request, auto& response) {
    impl_->answer(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
}

HttpServer::~HttpServer() { stop(); }

std::optional<std::uint16_t> HttpServer::bind(const std::string& host, std::uint16_t port) {
  if (port != 0) return impl_->server.bind_to_port(host, port) ? std::optional{port} : std::nullopt;
  const int found = impl_->server.bind_to_any_port(host);
  return found > 0 ? std::optional{static_cast<std::uint16_t>(found)} : std::nullopt;
}

void HttpServer::start() {
  impl_->thread = runtime::background_thread([this] { impl_->server.listen_after_bind(); });
}

void HttpServer::stop() {
  impl_->is_over = true;
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace dlock::cli
