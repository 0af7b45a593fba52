// SPDX-License-Identifier: Apache-2.0
/** Light, dark, or as the system says. */
import { type ReactNode, useState } from 'react'
import { Icon } from './icons.tsx'

const themes = ['auto', 'light', 'dark'] as const
type Theme = (typeof themes)[number]
const icons = { auto: 'auto', light: 'sun', dark: 'moon' } as const
const KEY = 'trellis.theme'

const chosen = (): Theme => themes.find((theme) => theme === document.documentElement.dataset['theme']) ?? 'auto'

export function ThemeButton(): ReactNode {
  const [theme, setTheme] = useState(chosen)
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!
  const choose = (): void => {
    setTheme(next)
    if (next === 'auto') {
      delete document.documentElement.dataset['theme']
      localStorage.removeItem(KEY)
    } else {
      document.documentElement.dataset['theme'] = next
      localStorage.setItem(KEY, next)
    }
    // Charts are drawn with the colours of the moment.
    window.dispatchEvent(new Event('trellis:theme'))
  }
  return (
    <button
      type="button"
      className="button"
      data-kind="bare"
      onClick={choose}
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
    >
      <Icon name={icons[theme]} />
    </button>
  )
}
