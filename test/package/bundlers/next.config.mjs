// Packages are symlinks to where the tests keep them: by default Turbopack compiles nothing outside of the project.
export default { turbopack: { root: '/' } };
