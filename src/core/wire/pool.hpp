// Pool: memory for the nodes of a machine's containers.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <new>
#include <utility>

namespace dlock::core {

/// Keeps freed pieces for the next ones of their size, so that a machine that acquires and releases
/// at a steady rate allocates nothing. A few thousand pieces stay; the memory of more goes back.
/// Not thread-safe: one machine's containers share it.
class Pool final : public std::pmr::memory_resource {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() override {
    for (std::size_t kind = 0; kind < shelves_.size(); ++kind) {
      while (auto* const piece = take(shelves_[kind])) {
        ::operator delete(piece);
      }
    }
  }

  /// An object in this memory. The pool must outlive it.
  template <class Object, class... Arguments>
  [[nodiscard]] std::shared_ptr<Object> make(Arguments&&... arguments) {
    return std::allocate_shared<Object>(std::pmr::polymorphic_allocator<Object>{this},
                                        std::forward<Arguments>(arguments)...);
  }

 private:
  static constexpr std::size_t grain = 16;
  static constexpr std::size_t max_kept = 1024;  ///< of a size

  struct Piece {
    Piece* next;
  };
  struct Shelf {
    Piece* first = nullptr;
    std::size_t size = 0;
  };

  static Piece* take(Shelf& shelf) {
    auto* const piece = shelf.first;
    if (piece != nullptr) {
      shelf.first = piece->next;
      --shelf.size;
    }
    return piece;
  }

  void* do_allocate(std::size_t bytes, std::size_t /*alignment*/) override {
    const auto kind = (bytes + grain - 1) / grain;
    if (kind >= shelves_.size()) {
      return ::operator new(bytes);
    }
    auto* const piece = take(shelves_[kind]);
    return piece != nullptr ? piece : ::operator new(kind * grain);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t /*alignment*/) override {
    const auto kind = (bytes + grain - 1) / grain;
    if (kind >= shelves_.size() || shelves_[kind].size == max_kept) {
      ::operator delete(memory);
      return;
    }
    auto& shelf = shelves_[kind];
    shelf.first = new (memory) Piece{shelf.first};
    ++shelf.size;
  }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::array<Shelf, 65> shelves_{};  ///< by size, up to 1 KiB
};

}  // namespace dlock::core
