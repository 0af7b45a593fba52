// SPDX-License-Identifier: Apache-2.0
/** Addresses that only this machine answers. */
const loopback = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** True for a URL that only this machine answers. */
export const isLoopback = (url: string): boolean => loopback.has(new URL(url).hostname)
