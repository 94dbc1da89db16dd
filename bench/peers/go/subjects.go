// The libraries, each with the settings it is measured with.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

// Waiting ends only with the lock: where a library counts its tries, they are without number.
const endless = 1 << 30

func subject(name, url string, ttl time.Duration) (acquirer, func()) {
	url = strings.Replace(url, "redis+unix://", "unix://", 1)
	switch name {
	case "redsync":
		return ofRedsync(url, ttl)
	case "bsm-redislock":
		return ofRedislock(url, ttl)
	case "rueidislock":
		return ofRueidislock(url, ttl, 0)
	case "rueidislock-1":
		return ofRueidislock(url, ttl, 1)
	}
	fmt.Fprintln(os.Stderr, "no such subject:", name)
	os.Exit(64)
	return nil, nil
}

func goRedis(url string) *redis.Client {
	options, err := redis.ParseURL(url)
	if err != nil {
		panic(err)
	}
	options.PoolSize = 100
	return redis.NewClient(options)
}

// Its own delay, 50 to 250 ms at random.
func ofRedsync(url string, ttl time.Duration) (acquirer, func()) {
	client := goRedis(url)
	sync := redsync.New(goredis.NewPool(client))
	return func(name string) (func() error, error) {
		mutex := sync.NewMutex(name, redsync.WithExpiry(ttl), redsync.WithTries(endless))
		if err := mutex.Lock(); err != nil {
			return nil, err
		}
		return func() error { _, err := mutex.Unlock(); return err }, nil
	}, func() { client.Close() }
}

// It does not wait by itself: the shortest delay that makes sense.
func ofRedislock(url string, ttl time.Duration) (acquirer, func()) {
	client := goRedis(url)
	locker := redislock.New(client)
	options := &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Millisecond)}
	return func(name string) (func() error, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		lock, err := locker.Obtain(ctx, name, ttl, options)
		if err != nil {
			cancel()
			return nil, err
		}
		return func() error { defer cancel(); return lock.Release(ctx) }, nil
	}, func() { client.Close() }
}

// It waits for the messages of client-side caching. majority 0: its own default.
func ofRueidislock(url string, ttl time.Duration, majority int32) (acquirer, func()) {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		panic(err)
	}
	locker, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: options,
		KeyValidity:  ttl,
		KeyMajority:  majority,
	})
	if err != nil {
		panic(err)
	}
	return func(name string) (func() error, error) {
		_, cancel, err := locker.WithContext(context.Background(), name)
		if err != nil {
			return nil, err
		}
		return func() error { cancel(); return nil }, nil
	}, locker.Close
}
