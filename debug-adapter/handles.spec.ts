import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandleTree } from './handles';

describe('handles', () => {
  it('give the same thing the same number after the next stop', () => {
    const tree = new HandleTree<string>();
    const parent = tree.create(0, 'Registers', 'a');
    const child = tree.create(parent, 'RAX', 'b');
    tree.nextGeneration();
    assert.equal(tree.create(0, 'Registers', 'c'), parent);
    assert.equal(tree.create(parent, 'RAX', 'd'), child);
    assert.equal(tree.get(child), 'd');
  });

  it('stand for nothing after a stop until their thing has come again', () => {
    const tree = new HandleTree<string>();
    const number = tree.create(0, 'Registers', 'before');
    tree.nextGeneration();
    assert.equal(tree.get(number), undefined);
    assert.equal(tree.create(0, 'Registers', 'after'), number);
    assert.equal(tree.get(number), 'after');
  });

  it('are forgotten when two stops pass without their thing', () => {
    const tree = new HandleTree<string>();
    const number = tree.create(0, 'Registers', 'a');
    tree.nextGeneration();
    tree.nextGeneration();
    assert.equal(tree.get(number), undefined);
    assert.notEqual(tree.create(0, 'Registers', 'b'), number);
  });
});
