// What our own code uses of yaml goes into the bundle so that it is loaded when it is called first; see build.ts.
for (const name of ['parse', 'parseAllDocuments', 'stringify']) {
  exports[name] = (...args) => require('yaml')[name](...args);
}
