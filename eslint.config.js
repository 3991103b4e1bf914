import js from '@eslint/js'
import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

const houseRules = {
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
  '@typescript-eslint/switch-exhaustiveness-check': 'error',
  // Number crunching indexes arrays whose bounds the loop guarantees.
  '@typescript-eslint/no-non-null-assertion': 'off',
  '@typescript-eslint/only-throw-error': 'error',
  '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
  'max-lines': ['error', { max: 500, skipComments: true, skipBlankLines: true }],
}

const noElectron = {
  'no-restricted-imports': ['error', { paths: ['electron'] }],
}

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', 'tests/golden/', 'release/'] },
  js.configs.recommended,
  {
    files: ['scripts/**/*.mjs', '*.js', '*.cjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        module: 'writable',
        URL: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
  {
    files: ['src/**/*.ts', 'tests/**/*.ts', '*.config.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: [
          'src/shared',
          'src/main/engine',
          'src/main/preload',
          'src/main/hosts/cli',
          'src/main/hosts/processes',
          'src/main/hosts/electron',
          'src/main/hosts/web',
          'src/renderer',
          'tests',
          'tests/renderer',
        ].map((folder) => `${folder}/tsconfig.json`),
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: houseRules,
  },
  {
    files: ['src/**/*.ts', 'src/**/*.vue', 'tests/**/*.ts'],
    ignores: ['src/main/hosts/electron/**', 'src/main/preload/**'],
    rules: noElectron,
  },
  {
    files: ['src/renderer/**/*.vue'],
    extends: [...tseslint.configs.strictTypeChecked, ...vue.configs['flat/recommended']],
    languageOptions: {
      parserOptions: {
        parser: tseslint.parser,
        project: 'src/renderer/tsconfig.json',
        extraFileExtensions: ['.vue'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      ...houseRules,
      // vue-tsc knows all names, ESLint does not know those of the browser.
      'no-undef': 'off',
      // Prettier lays out templates.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-indent': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/multi-word-component-names': 'off',
    },
  },
  {
    // The type-aware parser needs the extra extension everywhere in the window's folder, or programs are built twice.
    files: ['src/renderer/**/*.ts', 'tests/renderer/**/*.ts'],
    languageOptions: { parserOptions: { extraFileExtensions: ['.vue'] } },
  },
)
