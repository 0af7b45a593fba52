// SPDX-License-Identifier: Apache-2.0
/** Builds the page to build/portal. `vite --config agents/portal/web/vite.config.ts` serves it while it is written, over a running portal server. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  build: {
    outDir: here('../../../build/portal'),
    emptyOutDir: true,
    target: 'es2022',
    // A data: URI would need more than `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What React's libraries say to servers that render them means nothing here.
    rolldownOptions: { onLog: (level, log, tell) => (log.code === 'MODULE_LEVEL_DIRECTIVE' ? undefined : tell(level, log)) },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  server: { port: 8090, proxy: { '/api': process.env['TRELLIS_PORTAL'] ?? 'http://127.0.0.1:8080' } },
})
