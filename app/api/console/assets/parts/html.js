// What components are written with, in one place.

import { Component } from "../vendor/htm-preact.js";

export {
  Component,
  html,
  render,
  useCallback,
  useEffect,
  useErrorBoundary,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/htm-preact.js";

/** A component that is drawn again only where one of its properties is another one. */
export class Steady extends Component {
  shouldComponentUpdate(next) {
    const names = new Set([...Object.keys(next), ...Object.keys(this.props)]);
    names.delete("children");
    return [...names].some((name) => !this.same(name, next[name], this.props[name]));
  }

  /** For components whose properties are made anew each time. */
  same(_name, next, held) {
    return next === held;
  }
}

/** Whether two plain objects hold the same. */
export const alike = (a, b) =>
  a === b || (Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => a[name] === b[name]));
