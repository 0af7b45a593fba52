// The chosen theme stands before the first paint; without a choice the system's is used.
const theme = localStorage.getItem('trellis.theme')
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
