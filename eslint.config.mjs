// Type-checked linting of all TypeScript. What is switched off here is said with its reason.
import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      'artifacts/**',
      'cache/**',
      'build/**',
      'dist/**',
      'test/package/consumer/**',
      'templates/**',
      'coverage/**',
      '.trellis/**',
      'node_modules/**',
      'agents/protocol/generated/**',
    ],
  },
  {
    files: ['**/*.ts', 'agents/portal/web/**/*.tsx'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './agents/portal/web/tsconfig.json', './test/browser/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: false }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      // Index access is `T | undefined` here (noUncheckedIndexedAccess): `!` is the honest short form after a length check.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Values from JSON, chain and queue are checked at run time although their declared type says they cannot be missing.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // An async function without await is how a synchronous thing answers an asynchronous interface.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
      'prefer-const': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
    },
  },
  {
    // Programs and tests may print; the rooms log.
    files: ['scripts/**/*.ts', 'agents/cli/**/*.ts', 'test/**/*.ts', 'deploy/task*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // chai's assertions are property reads; oracles (circomlibjs, snarkjs) come without types.
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-floating-promises': 'error',
      // Types of contracts come from artifacts: an assertion is needed until they are built.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
    },
  },
)
